import OpenAI from 'openai';
import { BatchApi } from '../../../src/openai/batch-api.ts';

export type Reply = unknown;

/** An API that replies to calls by their names; a number is an error response with that status. */
export function apiOf(replies: Record<string, Reply>): BatchApi {
  const client = new OpenAI({
    apiKey: 'test',
    maxRetries: 0,
    fetch: async (input, init) => {
      const { pathname } = new URL(input instanceof Request ? input.url : input);
      const reply = replies[`${(init?.method ?? 'get').toUpperCase()} ${pathname.slice(3)}`] ?? 404;
      return typeof reply === 'number'
        ? Response.json({ error: { message: 'No.' } }, { status: reply })
        : Response.json(reply);
    },
  });
  return new BatchApi(client, 0);
}
