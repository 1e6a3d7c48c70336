import { randomUUID } from 'node:crypto';
import type { Fetch } from './api-calls.ts';

/**
 * Returns a `fetch` that sends a form with files as one Blob, read from disk while it is sent. With a `FormData`, Node's own
 * `fetch` (undici)
 * - keeps all sent data for a possible redirect: 80 MB more memory for a file of 54 MB, and a third more CPU;
 * - may end the process, on Node 24: a connection reset at the wrong moment causes an unhandled rejection (observed in 1 of 1,500
 *   resets; nodejs/undici#5835 concerns the same code).
 *
 * After a redirect the form is sent again without these options, at the cost of that memory.
 */
export function streamedUploads(send: Fetch): Fetch {
  return async (url, init) => {
    if (!(init?.body instanceof FormData)) return await send(url, init);
    const { body, type } = toMultipart(init.body);
    const headers = new Headers(init.headers);
    headers.set('content-type', type);
    const request = { ...init, body, headers };
    try {
      // With these two options undici makes no copy.
      return await send(url, { ...request, redirect: 'error', window: null });
    } catch (error) {
      if (!isRedirect(error)) throw error;
      return await send(url, request);
    }
  };
}

/** Encodes a form as `multipart/form-data` (RFC 7578, with names and line ends as in browsers); files are not read. */
function toMultipart(form: FormData): { body: Blob; type: string } {
  const boundary = `form-${randomUUID()}`;
  const parts: (string | Blob)[] = [];
  for (const [name, value] of form) {
    parts.push(`--${boundary}\r\nContent-Disposition: form-data; name="${quoted(name)}"`);
    if (typeof value === 'string') {
      parts.push(`\r\n\r\n${value.replaceAll(/\r\n?|\n/g, '\r\n')}\r\n`);
    } else {
      const type = value.type === '' ? 'application/octet-stream' : value.type;
      parts.push(`; filename="${quoted(value.name)}"\r\nContent-Type: ${type}\r\n\r\n`, value, '\r\n');
    }
  }
  parts.push(`--${boundary}--\r\n`);
  return { body: new Blob(parts), type: `multipart/form-data; boundary=${boundary}` };
}

function quoted(text: string): string {
  return text.replaceAll('\n', '%0A').replaceAll('\r', '%0D').replaceAll('"', '%22');
}

/** Compares undici's message, since the error has no code. */
function isRedirect(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error && cause.message === 'unexpected redirect';
}
