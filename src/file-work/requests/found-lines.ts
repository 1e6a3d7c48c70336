import { isLineFault, type LineFault, type RequestLine } from '../../core/request-line.ts';
import type { InputReader } from '../../input/input-reader.ts';
import { readRequests, type RequestReading } from './read-requests.ts';

/** What was found in an input. */
export interface FoundLines {
  /** Lines that are requests. */
  readonly requests: number;
  /** Lines that are not, with the first of them. */
  readonly bad: number;
  readonly firstBad: { readonly number: number; readonly fault: LineFault } | null;
}

/** Checks every line of an input as a job does, and calls `onRequest` for each request; its arguments are valid during the call. */
export function findRequests(
  input: InputReader,
  spec: RequestReading['spec'],
  onRequest: (number: number, block: Buffer, request: RequestLine) => void,
): FoundLines {
  let requests = 0;
  let bad = 0;
  let firstBad: FoundLines['firstBad'] = null;
  readRequests(input, {
    spec,
    onBytes: () => undefined,
    onLine: ({ number, block, request }) => {
      if (isLineFault(request)) {
        bad += 1;
        firstBad ??= { number, fault: { ...request } };
      } else {
        requests += 1;
        onRequest(number, block, request);
      }
      return true;
    },
  });
  return { requests, bad, firstBad };
}
