import { BatchError, ErrorCode } from '../core/errors.ts';
import type { Fetch } from './api-calls.ts';

/** As in curl and Node, a lower-case name has precedence. */
const NAMES = ['http_proxy', 'HTTP_PROXY', 'https_proxy', 'HTTPS_PROXY'] as const;

/**
 * Returns a `fetch` that uses the proxy of `HTTPS_PROXY` or `HTTP_PROXY`, except for the hosts of `NO_PROXY`. Node's own `fetch`
 * does so only from version 22.21 on, and only on request. Loopback addresses never use the proxy: an emulator may run there.
 * @throws BatchError `api_unreachable` when a variable is not the address of a proxy
 */
export function throughProxy(send: Fetch, env: NodeJS.ProcessEnv = process.env): Fetch {
  const set = NAMES.filter((name) => env[name]);
  if (set.length === 0) return send;
  for (const name of set) assertProxy(name, env[name]!);
  let agent: Promise<unknown> | undefined;
  return async (url, init) => {
    if (isLoopback(url instanceof Request ? url.url : String(url))) return await send(url, init);
    agent ??= openAgent();
    return await send(url, { ...init, dispatcher: await agent } as RequestInit);
  };
}

/** The error does not quote the value, which may contain a password. */
function assertProxy(name: string, value: string): void {
  if (URL.canParse(value) && /^https?:$/.test(new URL(value).protocol)) return;
  throw new BatchError(
    ErrorCode.ApiUnreachable,
    `${name} is not the address of a proxy: set it to one like http://proxy.example.com:3128, or unset it.`,
  );
}

async function openAgent(): Promise<unknown> {
  const { EnvHttpProxyAgent } = await import('undici');
  return new EnvHttpProxyAgent();
}

function isLoopback(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { hostname } = new URL(url);
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}
