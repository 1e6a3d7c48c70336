/** What is wrong between here and a server that cannot be reached, in words that say what to set. */
import { connect as connectPlainly, type Socket } from 'node:net';
import { connect as connectSecurely } from 'node:tls';
import type { TemporalConnectionOptions } from './temporal-target.ts';

/** Something that no waiting mends (`isFinal`), or that explains why the waiting was in vain. */
export interface ConnectionMistake {
  /** The end of a sentence that begins with the server. */
  readonly what: string;
  readonly isFinal: boolean;
}

const OWN_CERTIFICATE = 'TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH (or …_DATA)';

/** OpenSSL's and Node's codes, by what mends them; read from Node 20's handshakes against each kind of server. */
const mistakes: readonly (readonly [codes: RegExp, what: string])[] = [
  [
    /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_.*|CERT_SIGNATURE_FAILURE|CERT_UNTRUSTED|INVALID_CA)$/,
    'has a certificate of an authority that is not trusted here: name that authority in TEMPORAL_TLS_SERVER_CA_CERT_PATH',
  ],
  [
    /^ERR_TLS_CERT_ALTNAME_INVALID$/,
    'has a certificate for another name: set TEMPORAL_TLS_SERVER_NAME to the name in it, or mend TEMPORAL_ADDRESS',
  ],
  [
    /^(CERT_HAS_EXPIRED|CERT_NOT_YET_VALID)$/,
    "has a certificate that is not valid today: renew it, or set this machine's clock",
  ],
  [
    /ALERT_CERTIFICATE_REQUIRED|ALERT_HANDSHAKE_FAILURE/,
    `demands a client certificate: set ${OWN_CERTIFICATE}`,
  ],
  [
    /ALERT_(UNKNOWN_CA|BAD_CERTIFICATE|.*CERTIFICATE.*|DECRYPT_ERROR|ACCESS_DENIED)/,
    `refused the client certificate: check ${OWN_CERTIFICATE}`,
  ],
  [
    /^(ERR_SSL_WRONG_VERSION_NUMBER|ERR_SSL_PACKET_LENGTH_TOO_LONG|EPROTO)$/,
    'does not speak TLS: set TEMPORAL_TLS=false (an API key or a certificate turns TLS on), or mend TEMPORAL_ADDRESS',
  ],
];

/** What an HTTP/2 client says first: the preface and an empty SETTINGS frame. */
const GREETING = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
]);

/** The type of a SETTINGS frame, with which a server answers. */
const SETTINGS = 4;

/** What a server says that has nobody to pass a call on to. */
const NOBODY_BEHIND = 'a balancer does so whose servers are all away: start them, or mend TEMPORAL_ADDRESS';

/** What a first look sees, besides a mistake. */
type Sight = 'greets back' | 'is silent' | 'hangs up';

/**
 * Looks for a mistake in the way to the server: shakes hands as a gRPC client would, sends nothing but HTTP/2's greeting,
 * and hangs up. Null when the server stays silent, or is not there. No HTTP/2 session is used, which swallows some alerts.
 */
export async function findConnectionMistake(
  connection: TemporalConnectionOptions,
  timeoutMs: number,
): Promise<ConnectionMistake | null> {
  const isSecure = connection.tls !== undefined && connection.tls !== null && connection.tls !== false;
  const place = splitAddress(connection.address);
  const secure = { ...place, ALPNProtocols: ['h2'] };
  let socket: Socket;
  try {
    socket = isSecure ? connectSecurely({ ...secure, ...tlsOptions(connection) }) : connectPlainly(place);
  } catch (error) {
    return badMaterial(error);
  }
  const seen = await look(socket, isSecure, timeoutMs);
  switch (seen) {
    case 'greets back':
      // Only looked at when calls fail: so this is not what is wrong.
      return { what: `speaks HTTP/2, but does not answer calls; ${NOBODY_BEHIND}`, isFinal: false };
    case 'hangs up':
      if (
        !isSecure &&
        (await speaksTls(connectSecurely({ ...secure, rejectUnauthorized: false }), timeoutMs))
      )
        return { what: 'hangs up at once, as it demands TLS: set TEMPORAL_TLS=true', isFinal: true };
      return hangsUp(connection);
    case 'is silent':
      return null;
    default:
      return seen;
  }
}

/** Greets the server over a socket that is being connected. */
async function look(
  socket: Socket,
  isSecure: boolean,
  timeoutMs: number,
): Promise<ConnectionMistake | Sight> {
  return await new Promise((resolve) => {
    let isConnected = false;
    const end = (seen: ConnectionMistake | Sight): void => {
      socket.destroy();
      resolve(seen);
    };
    socket.setTimeout(timeoutMs, () => end('is silent'));
    socket.once('connect', () => (isConnected = true));
    socket.once(isSecure ? 'secureConnect' : 'connect', () => socket.write(GREETING));
    socket.once('data', (data: Buffer) =>
      end(data[3] === SETTINGS ? 'greets back' : notHttp2(data, isSecure)),
    );
    socket.once('error', (error) => {
      const wasReset = (error as NodeJS.ErrnoException).code === 'ECONNRESET';
      end(mistakeOf(error, isSecure) ?? (isConnected || wasReset ? 'hangs up' : 'is silent'));
    });
    socket.once('close', () => end(isConnected ? 'hangs up' : 'is silent'));
  });
}

/** True when a server takes part in a handshake, however that ends. */
async function speaksTls(socket: Socket, timeoutMs: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const end = (speaks: boolean): void => {
      socket.destroy();
      resolve(speaks);
    };
    socket.setTimeout(timeoutMs, () => end(false));
    socket.once('secureConnect', () => end(true));
    socket.once('error', (error) => end(/ALERT_/.test((error as NodeJS.ErrnoException).code ?? '')));
    socket.once('close', () => end(false));
  });
}

function mistakeOf(error: Error, isSecure: boolean): ConnectionMistake | null {
  const { code = '' } = error as NodeJS.ErrnoException;
  const known = mistakes.find(([codes]) => codes.test(code));
  if (isSecure && known !== undefined) return { what: known[1], isFinal: true };
  if (code !== 'ENOTFOUND') return null;
  return { what: 'has a name that is not known here: mend TEMPORAL_ADDRESS', isFinal: false };
}

/** A server that speaks TLS answers plain text with an alert. */
function notHttp2(data: Buffer, isSecure: boolean): ConnectionMistake {
  const [, status] = /^HTTP\/1\.[01] (5\d\d)\b/.exec(data.toString('latin1', 0, 16)) ?? [];
  if (status !== undefined) return { what: `answers HTTP ${status}; ${NOBODY_BEHIND}`, isFinal: false };
  const what = isSecure
    ? 'does not speak HTTP/2: mend TEMPORAL_ADDRESS'
    : 'does not answer in plain HTTP/2: set TEMPORAL_TLS=true if it demands TLS, or mend TEMPORAL_ADDRESS';
  return { what, isFinal: true };
}

/** Without a word: where a client certificate is given, it may also be that which did not please. */
function hangsUp({ tls }: TemporalConnectionOptions): ConnectionMistake {
  const hasCertificate = typeof tls === 'object' && tls !== null && tls.clientCertPair != null;
  const other = hasCertificate
    ? ` If they run, it refuses the client certificate: check ${OWN_CERTIFICATE}`
    : '';
  return { what: `hangs up at once; ${NOBODY_BEHIND}${other === '' ? '' : `.${other}`}`, isFinal: false };
}

/** Certificates and keys that OpenSSL cannot read; its message may name a place in them, never their content. */
function badMaterial(error: unknown): ConnectionMistake {
  const { code = '' } = error as NodeJS.ErrnoException;
  const what = code.includes('KEY_VALUES_MISMATCH')
    ? `cannot be asked, since the client certificate and the key do not belong together: check ${OWN_CERTIFICATE}`
    : `cannot be asked, since a certificate or key is not readable PEM: check TEMPORAL_TLS_SERVER_CA_CERT_PATH, ${OWN_CERTIFICATE}`;
  return { what, isFinal: true };
}

function tlsOptions({ tls }: TemporalConnectionOptions): object {
  if (typeof tls !== 'object' || tls === null) return {};
  const { serverNameOverride: servername, serverRootCACertificate: ca, clientCertPair: pair } = tls;
  return {
    ...(servername === undefined ? {} : { servername }),
    ...(ca === undefined ? {} : { ca: Buffer.from(ca) }),
    ...(pair == null ? {} : { cert: Buffer.from(pair.crt), key: Buffer.from(pair.key) }),
  };
}

/** Temporal's port where the address names none. */
function splitAddress(address: string): { host: string; port: number } {
  const [, host, port] = /^(.*?)(?::(\d+))?$/.exec(address)!;
  return { host: host!.replaceAll(/^\[|\]$/g, ''), port: Number(port ?? 7233) };
}
