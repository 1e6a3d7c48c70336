import { createServer, isIP } from 'node:net';
import { BatchError, ErrorCode } from '../core/errors.ts';

/** Where a worker listens. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
  /** The option that says so, without dashes: for messages. */
  readonly option: 'metrics' | 'webhook';
}

/**
 * Checks an address as somebody typed it.
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

/** @throws BatchError `bad_option` when nothing can listen at the address now */
export async function assertPortIsFree(address: ListenAddress): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const server = createServer();
    server.once('error', (error) => reject(listenError(address, error)));
    server.listen({ port: address.port, host: address.host, exclusive: true }, () =>
      server.close(() => resolve()),
    );
  });
}

/** What somebody has to do about an address that cannot be listened at. */
export function listenError({ host, port, option }: ListenAddress, error: NodeJS.ErrnoException): BatchError {
  const where = `Port ${port} of ${host}`;
  const what = `--${option}-port`;
  const advice: Readonly<Record<string, string>> = {
    EADDRINUSE: `${where} is in use: choose another ${what}, or end the process that has it.`,
    EACCES: `${where} needs more rights than this process has: choose a ${what} from 1024.`,
    EADDRNOTAVAIL: `${host} is no address of this machine: correct --${option}-host.`,
  };
  const code = error.code ?? error.message;
  return badOption(
    advice[code] ?? `${where} cannot be listened at (${code}): choose another ${what}.`,
    error,
  );
}

function badOption(message: string, cause?: unknown): BatchError {
  return new BatchError(ErrorCode.BadOption, message, cause === undefined ? {} : { cause });
}
