/*
 * A small device at mProxy: MQTT 3.1.1 in one file, with nothing but a C99 compiler and sockets.
 *
 *   cc -std=c99 -O2 -o session session.c
 *   ./session HOST PORT CLIENT_ID TOKEN_FILE [SECONDS [TOPIC]]
 *
 * It publishes a reading every SECONDS (5), prints each command that comes, and lives through the end
 * of its token: whoever renews the token (another task of the device, or a program beside this one)
 * writes it into TOKEN_FILE, and the session goes on with it. No line of it is about how a token is
 * fetched. Over the net use TLS: put your TLS library's read and write in the place of recv and send.
 *
 * Topics: TOPIC/state out, TOPIC/set in. TOPIC is sites/home/devices/CLIENT_ID, as in the quick start.
 */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <netdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { TOKEN_MAX = 8192, PACKET_MAX = TOKEN_MAX + 512, KEEP_ALIVE = 30, TOKEN_ID = 1, LONGEST_PAUSE = 60 };

static unsigned char out[PACKET_MAX], in[PACKET_MAX];
static size_t out_length, in_length;
static char token[TOKEN_MAX + 1];
static uint16_t last_id = TOKEN_ID;
static time_t written_at;

/* --- Writing: the body is collected behind five bytes, where the header finds room afterwards --- */

static void begin(void) { out_length = 5; }
static void put_byte(unsigned value) {
  if (out_length < sizeof out) out[out_length++] = (unsigned char)value;
}
static void put_number(unsigned value) {
  put_byte(value >> 8);
  put_byte(value & 255);
}
static void put_bytes(const char *bytes, size_t length) {
  if (length > sizeof out - out_length) length = sizeof out - out_length;
  memcpy(out + out_length, bytes, length);
  out_length += length;
}
static void put_text(const char *text) {
  put_number((unsigned)strlen(text));
  put_bytes(text, strlen(text));
}

/* 1 when the whole packet was sent. */
static int send_packet(int wire, unsigned type) {
  size_t remaining = out_length - 5, at = 5;
  unsigned char header[5];
  size_t length = 0;
  header[length++] = (unsigned char)type;
  do {
    header[length] = (unsigned char)(remaining % 128);
    remaining /= 128;
    if (remaining > 0) header[length] |= 128;
    length++;
  } while (remaining > 0);
  at -= length;
  memcpy(out + at, header, length);
  while (at < out_length) {
    ssize_t sent = send(wire, out + at, out_length - at, MSG_NOSIGNAL);
    if (sent <= 0) return 0;
    at += (size_t)sent;
  }
  written_at = time(NULL);
  return 1;
}

static uint16_t next_id(void) {
  /* 0 is none, and TOKEN_ID is kept for the token, so that its answer is known. */
  do last_id++;
  while (last_id == 0 || last_id == TOKEN_ID);
  return last_id;
}

static int publish(int wire, const char *topic, const char *payload, uint16_t id) {
  begin();
  put_text(topic);
  put_number(id);
  put_bytes(payload, strlen(payload));
  return send_packet(wire, 0x32); /* PUBLISH, QoS 1 */
}

/* --- The token --- */

/* 1 when the file holds another token than the one in memory, which then is in memory. */
static int read_token(const char *file) {
  char next[TOKEN_MAX + 1];
  FILE *stream = fopen(file, "r");
  if (stream == NULL) return 0;
  size_t length = fread(next, 1, TOKEN_MAX, stream);
  fclose(stream);
  while (length > 0 && (next[length - 1] == '\n' || next[length - 1] == '\r')) length--;
  next[length] = 0;
  if (length == 0 || strcmp(next, token) == 0) return 0;
  memcpy(token, next, length + 1);
  return 1;
}

/* --- Reading --- */

/* 1: *body is a packet's body of *length bytes; 0: it is not whole yet; -1: it is too large. */
static int find_packet(size_t *body, size_t *length) {
  size_t at = 1, value = 0, factor = 1;
  for (;;) {
    if (at >= in_length) return 0;
    value += (in[at] & 127u) * factor;
    factor *= 128;
    if ((in[at++] & 128) == 0) break;
    if (at > 4) return -1;
  }
  if (at + value > sizeof in) return -1;
  *body = at;
  *length = value;
  return at + value <= in_length;
}

/* 0 when the connection is of no use any more. */
static int take_packet(int wire, size_t body, size_t length) {
  const unsigned char *bytes = in + body;
  switch (in[0] >> 4) {
    case 3: { /* PUBLISH */
      if (length < 2) return 0;
      size_t topic = ((size_t)bytes[0] << 8) | bytes[1], at = 2 + topic;
      unsigned qos = (in[0] >> 1) & 3;
      if (at + (qos > 0 ? 2 : 0) > length) return 0;
      unsigned id = qos > 0 ? ((unsigned)bytes[at] << 8) | bytes[at + 1] : 0;
      if (qos > 0) at += 2;
      printf("command %.*s\n", (int)(length - at), (const char *)bytes + at);
      if (qos == 0) return 1;
      begin();
      put_number(id);
      return send_packet(wire, 0x40); /* PUBACK */
    }
    case 4: /* PUBACK */
      if (length >= 2 && bytes[0] == 0 && bytes[1] == TOKEN_ID) printf("token handed in\n");
      return 1;
    case 9: /* SUBACK: 0x80 says that the token does not allow it */
      if (length >= 3 && bytes[2] == 0x80) printf("not allowed to listen\n");
      return 1;
    default: return 1;
  }
}

/* --- One connection --- */

static int dial(const char *host, const char *port) {
  struct addrinfo hints, *found, *one;
  memset(&hints, 0, sizeof hints);
  hints.ai_socktype = SOCK_STREAM;
  if (getaddrinfo(host, port, &hints, &found) != 0) return -1;
  int wire = -1;
  for (one = found; one != NULL && wire < 0; one = one->ai_next) {
    wire = socket(one->ai_family, one->ai_socktype, one->ai_protocol);
    if (wire >= 0 && connect(wire, one->ai_addr, one->ai_addrlen) != 0) {
      close(wire);
      wire = -1;
    }
  }
  freeaddrinfo(found);
  return wire;
}

/* 1: let in; 0: the connection failed; otherwise 256 + the return code of CONNACK. */
static int introduce(int wire, const char *client_id) {
  begin();
  put_text("MQTT");
  put_byte(4);    /* 3.1.1 */
  put_byte(0xc2); /* user name, password, clean session */
  put_number(KEEP_ALIVE);
  put_text(client_id);
  put_text("device");
  put_text(token);
  if (!send_packet(wire, 0x10)) return 0;
  unsigned char answer[4];
  size_t got = 0;
  while (got < sizeof answer) {
    ssize_t part = recv(wire, answer + got, sizeof answer - got, 0);
    if (part <= 0) return 0;
    got += (size_t)part;
  }
  if (answer[0] != 0x20 || answer[1] != 2) return 0;
  return answer[3] == 0 ? 1 : 256 + answer[3];
}

/* Returns when the connection is gone. */
static void serve(int wire, const char *topic, const char *file, int seconds) {
  char state[256], set[256], reading[32];
  snprintf(state, sizeof state, "%s/state", topic);
  snprintf(set, sizeof set, "%s/set", topic);
  time_t read_at = 0;
  unsigned readings = 0;
  in_length = 0;
  begin();
  put_number(next_id());
  put_text(set);
  put_byte(1);
  if (!send_packet(wire, 0x82)) return; /* SUBSCRIBE */
  for (;;) {
    time_t now = time(NULL);
    if (read_token(file) && !publish(wire, "$allauth/token", token, TOKEN_ID)) return;
    if (now - read_at >= seconds) {
      read_at = now;
      snprintf(reading, sizeof reading, "reading %u", ++readings);
      if (!publish(wire, state, reading, next_id())) return;
    }
    if (now - written_at >= KEEP_ALIVE / 2) {
      begin();
      if (!send_packet(wire, 0xc0)) return; /* PINGREQ */
    }
    fflush(stdout);
    fd_set readable;
    FD_ZERO(&readable);
    FD_SET(wire, &readable);
    struct timeval patience = {0, 250000};
    int ready = select(wire + 1, &readable, NULL, NULL, &patience);
    if (ready < 0 && errno != EINTR) return;
    if (ready <= 0) continue;
    ssize_t got = recv(wire, in + in_length, sizeof in - in_length, 0);
    if (got <= 0) return;
    in_length += (size_t)got;
    size_t body, length;
    int found;
    while ((found = find_packet(&body, &length)) == 1) {
      if (!take_packet(wire, body, length)) return;
      in_length -= body + length;
      memmove(in, in + body + length, in_length);
    }
    if (found < 0) return;
  }
}

int main(int count, char **arguments) {
  if (count < 5) {
    fprintf(stderr, "session HOST PORT CLIENT_ID TOKEN_FILE [SECONDS [TOPIC]]\n");
    return 2;
  }
  const char *client_id = arguments[3], *file = arguments[4];
  int seconds = count > 5 ? atoi(arguments[5]) : 5;
  char topic[240];
  if (count > 6) snprintf(topic, sizeof topic, "%s", arguments[6]);
  else snprintf(topic, sizeof topic, "sites/home/devices/%s", client_id);
  unsigned delay = 1;
  srand((unsigned)time(NULL) ^ (unsigned)getpid());
  for (;;) {
    read_token(file);
    int wire = dial(arguments[1], arguments[2]);
    int outcome = wire < 0 ? 0 : introduce(wire, client_id);
    if (outcome == 1) {
      printf("connected\n");
      delay = 1;
      serve(wire, topic, file, seconds);
      printf("disconnected\n");
    } else if (outcome > 256) {
      /* 2: the client id; 3: try later; 4: the token; 5: the token does not count here. */
      printf("refused %d\n", outcome - 256);
    } else {
      printf("no connection\n");
    }
    if (wire >= 0) close(wire);
    fflush(stdout);
    /* A whole fleet that comes back must not come at once: half the pause is by chance. */
    long delay_ms = (long)delay * 500 + rand() % ((long)delay * 500);
    struct timespec rest = {delay_ms / 1000, delay_ms % 1000 * 1000000};
    nanosleep(&rest, NULL);
    if (delay < LONGEST_PAUSE) delay *= 2;
  }
}
