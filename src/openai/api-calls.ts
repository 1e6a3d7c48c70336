/** A call of the API as metrics tell it: nothing of its content, no ids. */
export interface ApiCall {
  /** Method and route, e.g. `GET /batches/{id}`. */
  readonly call: string;
  /** `2xx`, `429`, another `4xx`, `5xx`, or `none` without an answer. */
  readonly status: string;
  /** Until the headers of the answer. */
  readonly seconds: number;
}

/** What the SDK calls to send a request. */
export type Fetch = (url: string | URL | Request, init?: RequestInit) => Promise<Response>;

/** A `fetch` for the SDK that tells of every call, also of those whose failure somebody expects. */
export function tellingFetch(onCall: (call: ApiCall) => void, send: Fetch = fetch): Fetch {
  return async (url, init) => {
    const text = url instanceof Request ? url.url : String(url);
    // The SDK tries out with a `data:` URL what this function can do.
    if (!/^https?:/i.test(text)) return await send(url, init);
    const begun = performance.now();
    let status = 'none';
    try {
      const response = await send(url, init);
      status = statusClass(response.status);
      return response;
    } finally {
      const seconds = (performance.now() - begun) / 1_000;
      onCall({
        call: callName(text, init?.method),
        status,
        seconds,
      });
    }
  };
}

function statusClass(status: number): string {
  return status === 429 ? '429' : `${Math.floor(status / 100)}xx`;
}

const routes: readonly (readonly [RegExp, string])[] = [
  [/\/batches\/[^/]+\/cancel$/, '/batches/{id}/cancel'],
  [/\/batches\/[^/]+$/, '/batches/{id}'],
  [/\/batches$/, '/batches'],
  [/\/files\/[^/]+\/content$/, '/files/{id}/content'],
  [/\/files\/[^/]+$/, '/files/{id}'],
  [/\/files$/, '/files'],
  [/\/uploads\/[^/]+\/parts$/, '/uploads/{id}/parts'],
  [/\/uploads\/[^/]+\/complete$/, '/uploads/{id}/complete'],
  [/\/uploads$/, '/uploads'],
];

/** The route of a URL whose base nobody knows: a closed set of names, whatever the ids and the host. */
function callName(url: string, method = 'GET'): string {
  const path = URL.canParse(url) ? new URL(url).pathname.replace(/\/+$/, '') : '';
  const route = routes.find(([pattern]) => pattern.test(path))?.[1] ?? 'other';
  return `${method.toUpperCase()} ${route}`;
}
