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

/**
 * Looks for a mistake in the way to the server: shakes hands as a gRPC client would, sends nothing but HTTP/2's greeting,
 * and hangs up. Null when the server greets back, or stays silent. No HTTP/2 session is used, which swallows some alerts.
 */
export async function findConnectionMistake(
  connection: TemporalConnectionOptions,
  timeoutMs: number,
): Promise<ConnectionMistake | null> {
  const isSecure = connection.tls !== undefined && connection.tls !== null && connection.tls !== false;
  const place = splitAddress(connection.address);
  let socket: Socket;
  try {
    socket = isSecure
      ? connectSecurely({ ...place, ALPNProtocols: ['h2'], ...tlsOptions(connection) })
      : connectPlainly(place);
  } catch (error) {
    return badMaterial(error);
  }
  return await new Promise((resolve) => {
    let hasShaken = false;
    const end = (mistake: ConnectionMistake | null): void => {
      socket.destroy();
      resolve(mistake);
    };
    socket.setTimeout(timeoutMs, () => end(null));
    socket.once(isSecure ? 'secureConnect' : 'connect', () => {
      hasShaken = true;
      socket.write(GREETING);
    });
    socket.once('data', (data: Buffer) => end(data[3] === SETTINGS ? null : notHttp2(isSecure)));
    socket.once('error', (error) => end(mistakeOf(error, isSecure, hasShaken)));
    socket.once('close', () => end(hasShaken ? closedAtOnce(isSecure) : null));
  });
}

function mistakeOf(error: Error, isSecure: boolean, hasShaken: boolean): ConnectionMistake | null {
  const { code = '' } = error as NodeJS.ErrnoException;
  const known = mistakes.find(([codes]) => codes.test(code));
  if (isSecure && known !== undefined) return { what: known[1], isFinal: true };
  if (code === 'ENOTFOUND') {
    return { what: 'has a name that is not known here: mend TEMPORAL_ADDRESS', isFinal: false };
  }
  return hasShaken ? closedAtOnce(isSecure) : null;
}

/** A server that speaks TLS answers plain text with an alert. */
function notHttp2(isSecure: boolean): ConnectionMistake {
  const what = isSecure
    ? 'does not speak HTTP/2: mend TEMPORAL_ADDRESS'
    : 'does not answer in plain HTTP/2: set TEMPORAL_TLS=true if it demands TLS, or mend TEMPORAL_ADDRESS';
  return { what, isFinal: true };
}

/** In plain text, a balancer whose server is starting does so, too; with TLS it was the handshake that did not please. */
function closedAtOnce(isSecure: boolean): ConnectionMistake {
  const what = isSecure
    ? `it may refuse the client certificate: check ${OWN_CERTIFICATE}`
    : 'it may demand TLS: set TEMPORAL_TLS=true';
  return { what: `hangs up at once; ${what}`, isFinal: isSecure };
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
