import { createServer, isIP } from 'node:net';
import { BatchError, ErrorCode } from '../core/errors.ts';

/** An address where a worker listens. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
  /** The prefix of the command-line options that set it; for messages. */
  readonly option: 'metrics' | 'webhook';
}

/**
 * Checks an address that a user has entered.
 * @throws BatchError `bad_option`
 */
export function parseListenAddress({ host, port, option }: ListenAddress): ListenAddress {
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw badOption(`Option --${option}-port must be an integer from 1 to 65535, got ${port}.`);
  }
  if (isIP(host) === 0) {
    throw badOption(
      `Option --${option}-host must be an IP address of this machine, such as 127.0.0.1 or 0.0.0.0, got "${host}".`,
    );
  }
  return { host, port, option };
}

/** @throws BatchError `bad_option` when the address cannot be used now */
export async function assertPortIsFree(address: ListenAddress): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const server = createServer();
    server.once('error', (error) => reject(listenError(address, error)));
    server.listen({ port: address.port, host: address.host, exclusive: true }, () =>
      server.close(() => resolve()),
    );
  });
}

/** The error for an address that cannot be used; its message says what to do. */
export function listenError({ host, port, option }: ListenAddress, error: NodeJS.ErrnoException): BatchError {
  const where = `Port ${port} of ${host}`;
  const what = `--${option}-port`;
  const advice: Readonly<Record<string, string>> = {
    EADDRINUSE: `${where} is in use: choose another ${what}, or end the process that uses it.`,
    EACCES: `This process is not permitted to use port ${port} of ${host}: choose a ${what} of 1024 or more.`,
    EADDRNOTAVAIL: `${host} is not an address of this machine: correct --${option}-host.`,
  };
  const code = error.code ?? error.message;
  return badOption(advice[code] ?? `${where} cannot be used (${code}): choose another ${what}.`, error);
}

function badOption(message: string, cause?: unknown): BatchError {
  return new BatchError(ErrorCode.BadOption, message, cause === undefined ? {} : { cause });
}
