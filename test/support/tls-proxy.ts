import { once } from 'node:events';
import {
  connect,
  constants,
  createSecureServer,
  type Http2SecureServer,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { KeyPair } from './certificates.ts';

/** What the proxy demands of clients. */
export interface ProxyOptions {
  /** Address of the plain gRPC server, `host:port`. */
  readonly upstream: string;
  readonly server: KeyPair;
  /** PEM of the authority whose client certificates are accepted; null to request none. */
  readonly clientAuthority: string | null;
  /** The only accepted `Authorization: Bearer`; null to accept all requests. */
  readonly apiKey: string | null;
}

/** A TLS proxy in front of a gRPC server, as of a company or Temporal Cloud. */
export class TlsProxy {
  readonly port: number;
  /** Common names of the received client certificates. */
  readonly clients: Set<string>;
  private readonly server: Http2SecureServer;
  private readonly sockets: Set<TLSSocket>;

  private constructor(server: Http2SecureServer, clients: Set<string>, sockets: Set<TLSSocket>) {
    this.server = server;
    this.port = (server.address() as AddressInfo).port;
    this.clients = clients;
    this.sockets = sockets;
  }

  static async start(options: ProxyOptions): Promise<TlsProxy> {
    const { server: pair, clientAuthority, apiKey } = options;
    const clients = new Set<string>();
    const sockets = new Set<TLSSocket>();
    const upstream = connect(`http://${options.upstream}`);
    const server = createSecureServer({
      ...pair,
      ...(clientAuthority === null
        ? {}
        : { ca: clientAuthority, requestCert: true, rejectUnauthorized: true }),
    });
    server.on('secureConnection', (socket: TLSSocket) => {
      sockets.add(socket);
      const { subject } = socket.getPeerCertificate() as { subject?: { CN?: string } };
      if (subject?.CN !== undefined) clients.add(subject.CN);
    });
    server.on('sessionError', () => undefined); // refused clients are what some tests are about
    server.on('stream', (stream, headers) => {
      stream.on('error', () => undefined);
      if (apiKey === null || headers.authorization === `Bearer ${apiKey}`) forward(stream, headers);
      else {
        const refusal = { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '16' };
        stream.respond({ ...refusal, 'grpc-message': 'invalid API key' }, { endStream: true });
      }
    });
    function forward(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
      const request = upstream.request(headers);
      request.on('error', () => stream.close(constants.NGHTTP2_INTERNAL_ERROR));
      stream.on('aborted', () => request.close(constants.NGHTTP2_CANCEL));
      let trailers: IncomingHttpHeaders = {};
      request.on('trailers', (sent) => (trailers = sent));
      stream.on('wantTrailers', () => stream.sendTrailers(trailers));
      request.on('response', (answer) => {
        if (stream.destroyed) return;
        if (answer['grpc-status'] !== undefined) stream.respond(answer, { endStream: true });
        else {
          stream.respond(answer, { waitForTrailers: true });
          request.pipe(stream);
        }
      });
      stream.pipe(request);
    }
    server.once('close', () => upstream.destroy());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new TlsProxy(server, clients, sockets);
  }

  async close(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }
}
