/** An API call, for metrics: no content and no ids. */
export interface ApiCall {
  /** Method and route, e.g. `GET /batches/{id}`. */
  readonly call: string;
  /** `2xx`, `429`, another `4xx`, `5xx`, or `none` without a response. */
  readonly status: string;
  /** Time until the headers of the response. */
  readonly seconds: number;
}

/** The function with which the SDK sends a request. */
export type Fetch = (url: string | URL | Request, init?: RequestInit) => Promise<Response>;

/** Returns a `fetch` for the SDK that reports every call to `onCall`, including failures that the caller handles. */
export function observedFetch(onCall: (call: ApiCall) => void, send: Fetch = fetch): Fetch {
  return async (url, init) => {
    const text = url instanceof Request ? url.url : String(url);
    // The SDK probes this function with a `data:` URL.
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

/** Returns method and route of a URL with any base, from a fixed set of names. */
function callName(url: string, method = 'GET'): string {
  const path = URL.canParse(url) ? new URL(url).pathname.replace(/\/+$/, '') : '';
  const route = routes.find(([pattern]) => pattern.test(path))?.[1] ?? 'other';
  return `${method.toUpperCase()} ${route}`;
}
