/** Finds out why a Temporal server cannot be reached, and what to set. */
import { connect as connectPlainly, type Socket } from 'node:net';
import { connect as connectSecurely } from 'node:tls';
import type { TemporalConnectionOptions } from './temporal-target.ts';

/** Why a server cannot be reached. */
export interface ConnectionProblem {
  /** The end of a sentence whose subject is the server. */
  readonly what: string;
  /** True when waiting does not help. */
  readonly isFinal: boolean;
}

const OWN_CERTIFICATE = 'TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH (or …_DATA)';

/** Error codes of OpenSSL and Node, by their fix; observed in Node 20's handshakes with each kind of server. */
const tlsProblems: readonly (readonly [codes: RegExp, what: string])[] = [
  [
    /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_.*|CERT_SIGNATURE_FAILURE|CERT_UNTRUSTED|INVALID_CA)$/,
    'has a certificate of an authority that is not trusted here: set TEMPORAL_TLS_SERVER_CA_CERT_PATH to the certificate of that authority',
  ],
  [
    /^ERR_TLS_CERT_ALTNAME_INVALID$/,
    'has a certificate for another name: set TEMPORAL_TLS_SERVER_NAME to the name in it, or correct TEMPORAL_ADDRESS',
  ],
  [
    /^(CERT_HAS_EXPIRED|CERT_NOT_YET_VALID)$/,
    "has a certificate that is not valid now: renew it, or correct this machine's clock",
  ],
  [
    /ALERT_CERTIFICATE_REQUIRED|ALERT_HANDSHAKE_FAILURE/,
    `requires a client certificate: set ${OWN_CERTIFICATE}`,
  ],
  [
    /ALERT_(UNKNOWN_CA|BAD_CERTIFICATE|.*CERTIFICATE.*|DECRYPT_ERROR|ACCESS_DENIED)/,
    `refused the client certificate: check ${OWN_CERTIFICATE}`,
  ],
  [
    /^(ERR_SSL_WRONG_VERSION_NUMBER|ERR_SSL_PACKET_LENGTH_TOO_LONG|EPROTO)$/,
    'does not speak TLS: set TEMPORAL_TLS=false (an API key or a certificate turns TLS on), or correct TEMPORAL_ADDRESS',
  ],
];

/** The first bytes that an HTTP/2 client sends: the connection preface and an empty SETTINGS frame. */
const PREFACE = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
]);

/** The type of a SETTINGS frame, with which a server responds. */
const SETTINGS = 4;

/** The likely reason when a connection works, but no server responds to calls. */
const NO_BACKEND =
  'a load balancer does this when none of its servers is available: start them, or correct TEMPORAL_ADDRESS';

/** The result of a first connection, if it shows no problem by itself. */
type ProbeResult = 'speaks HTTP/2' | 'no response' | 'closed';

/**
 * Probes the connection to a server as a gRPC client would: connects, makes the TLS handshake, sends HTTP/2's connection preface,
 * and closes. Returns null when the server does not respond at all. It uses no HTTP/2 session, which hides some TLS alerts.
 */
export async function diagnoseConnection(
  connection: TemporalConnectionOptions,
  timeoutMs: number,
): Promise<ConnectionProblem | null> {
  const isSecure = connection.tls !== undefined && connection.tls !== null && connection.tls !== false;
  const place = splitAddress(connection.address);
  const secure = { ...place, ALPNProtocols: ['h2'] };
  let socket: Socket;
  try {
    socket = isSecure ? connectSecurely({ ...secure, ...tlsOptions(connection) }) : connectPlainly(place);
  } catch (error) {
    return unreadableCertificate(error);
  }
  const result = await probe(socket, isSecure, timeoutMs);
  switch (result) {
    case 'speaks HTTP/2':
      // The connection works, but calls fail: otherwise this function would not be called.
      return { what: `speaks HTTP/2, but does not respond to calls; ${NO_BACKEND}`, isFinal: false };
    case 'closed':
      if (
        !isSecure &&
        (await speaksTls(connectSecurely({ ...secure, rejectUnauthorized: false }), timeoutMs))
      )
        return {
          what: 'closes the connection at once, since it requires TLS: set TEMPORAL_TLS=true',
          isFinal: true,
        };
      return closedAtOnce(connection);
    case 'no response':
      return null;
    default:
      return result;
  }
}

/** Sends the preface over a connecting socket and waits for the response. */
async function probe(
  socket: Socket,
  isSecure: boolean,
  timeoutMs: number,
): Promise<ConnectionProblem | ProbeResult> {
  return await new Promise((resolve) => {
    let isConnected = false;
    const end = (result: ConnectionProblem | ProbeResult): void => {
      socket.destroy();
      resolve(result);
    };
    socket.setTimeout(timeoutMs, () => end('no response'));
    socket.once('connect', () => (isConnected = true));
    socket.once(isSecure ? 'secureConnect' : 'connect', () => socket.write(PREFACE));
    socket.once('data', (data: Buffer) =>
      end(data[3] === SETTINGS ? 'speaks HTTP/2' : notHttp2(data, isSecure)),
    );
    socket.once('error', (error) => {
      const wasReset = (error as NodeJS.ErrnoException).code === 'ECONNRESET';
      end(problemOf(error, isSecure) ?? (isConnected || wasReset ? 'closed' : 'no response'));
    });
    socket.once('close', () => end(isConnected ? 'closed' : 'no response'));
  });
}

/** True when the server takes part in a TLS handshake, even if the handshake fails. */
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

function problemOf(error: Error, isSecure: boolean): ConnectionProblem | null {
  const { code = '' } = error as NodeJS.ErrnoException;
  const known = tlsProblems.find(([codes]) => codes.test(code));
  if (isSecure && known !== undefined) return { what: known[1], isFinal: true };
  if (code !== 'ENOTFOUND') return null;
  return { what: 'has a host name that cannot be resolved: correct TEMPORAL_ADDRESS', isFinal: false };
}

/** The problem shown by a response that is not HTTP/2: HTTP/1, or the TLS alert that a TLS server sends in response to plain text. */
function notHttp2(data: Buffer, isSecure: boolean): ConnectionProblem {
  const [, status] = /^HTTP\/1\.[01] (5\d\d)\b/.exec(data.toString('latin1', 0, 16)) ?? [];
  if (status !== undefined) return { what: `responds with HTTP ${status}; ${NO_BACKEND}`, isFinal: false };
  const what = isSecure
    ? 'does not speak HTTP/2: correct TEMPORAL_ADDRESS'
    : 'does not respond in plain HTTP/2: set TEMPORAL_TLS=true if it requires TLS, or correct TEMPORAL_ADDRESS';
  return { what, isFinal: true };
}

/** The server closed the connection without an alert: if a client certificate is set, the server may have refused it. */
function closedAtOnce({ tls }: TemporalConnectionOptions): ConnectionProblem {
  const hasCertificate = typeof tls === 'object' && tls !== null && tls.clientCertPair != null;
  const other = hasCertificate
    ? ` If they are running, the server refuses the client certificate: check ${OWN_CERTIFICATE}`
    : '';
  return {
    what: `closes the connection at once; ${NO_BACKEND}${other === '' ? '' : `.${other}`}`,
    isFinal: false,
  };
}

/** A certificate or key that OpenSSL cannot read. Only the error's code is used. */
function unreadableCertificate(error: unknown): ConnectionProblem {
  const { code = '' } = error as NodeJS.ErrnoException;
  const what = code.includes('KEY_VALUES_MISMATCH')
    ? `cannot be reached, since the client certificate and the key do not belong together: check ${OWN_CERTIFICATE}`
    : `cannot be reached, since a certificate or key is not readable PEM: check TEMPORAL_TLS_SERVER_CA_CERT_PATH, ${OWN_CERTIFICATE}`;
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

/** Splits `host:port`; the default port is Temporal's. */
function splitAddress(address: string): { host: string; port: number } {
  const [, host, port] = /^(.*?)(?::(\d+))?$/.exec(address)!;
  return { host: host!.replaceAll(/^\[|\]$/g, ''), port: Number(port ?? 7233) };
}
