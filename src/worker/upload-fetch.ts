import type { Fetch } from './api-calls.ts';

/**
 * A `fetch` that sends a form's file from disk without holding it. Left alone, undici (Node 20 to 24) keeps all it has sent in
 * memory, for the case of a redirect: 80 MB more for a file of 54 MB, and a third more work. A server that does redirect is
 * sent the form once more, undici's way.
 */
export function leanUploads(send: Fetch): Fetch {
  return async (url, init) => {
    if (!(init?.body instanceof FormData)) return await send(url, init);
    try {
      return await send(url, { ...init, redirect: 'error', window: null });
    } catch (error) {
      if (!isRedirect(error)) throw error;
      return await send(url, init);
    }
  };
}

/** The words of undici, which has no code for it. */
function isRedirect(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error && cause.message === 'unexpected redirect';
}
