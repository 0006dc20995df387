// Before the tests: what they need beyond npm. As root on Debian it is installed; otherwise the
// command is printed and the run fails, since a test that is silently left out would be worse.
// Without paho for Python, the run goes on and says that its tests are left out: it is one more
// client beside others.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

const WANTED = [
  { program: 'mosquitto', debian: 'mosquitto' },
  { program: 'mosquitto_pub', debian: 'mosquitto-clients' },
  { program: 'chromium', debian: 'chromium' },
  { program: 'openssl', debian: 'openssl' },
  { program: 'curl', debian: 'curl' },
  { program: 'cc', debian: 'build-essential' },
  { program: 'aiosmtpd', debian: 'python3-aiosmtpd' },
  { program: 'haproxy', debian: 'haproxy' },
]

const onPath = (program: string) =>
  [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'].some((folder) =>
    existsSync(join(folder, program)),
  )

/** Debian's place of the module. */
const PAHO = { program: 'paho for Python', debian: 'python3-paho-mqtt' }
const hasPaho = () => existsSync('/usr/lib/python3/dist-packages/paho')

const lacking = () => WANTED.filter((one) => !onPath(one.program))

const missing = [...lacking(), ...(hasPaho() ? [] : [PAHO])]
if (missing.length > 0) {
  const packages = missing.map((one) => one.debian)
  const install = `apt-get install -y --no-install-recommends ${packages.join(' ')}`
  if (process.getuid?.() === 0 && onPath('apt-get')) {
    console.log(`Installing what the tests need: ${packages.join(', ')}`)
    const options = {
      stdio: 'inherit',
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      // For paho alone nobody waits long where there is no network.
      timeout: lacking().length > 0 ? undefined : 60_000,
    } as const
    spawnSync('apt-get', ['update', '-q'], options)
    spawnSync('sh', ['-c', install], options)
  }
  const still = lacking()
  if (still.length > 0) {
    console.error(`The tests need ${still.map((one) => one.program).join(', ')}. On Debian:`)
    console.error(`  sudo ${install}`)
    process.exit(1)
  }
  if (!hasPaho()) console.error(`Left out: the tests with ${PAHO.program} (${PAHO.debian})`)
}
