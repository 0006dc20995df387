// Type of an imported .wasm file in bundlers and in workerd.
declare module '*.wasm' {
  const module: WebAssembly.Module
  export default module
}
