import OpenAI from 'openai';
import { BatchApi } from '../../../src/openai/batch-api.ts';

export type Answer = unknown;

/** An API that answers calls by name; a number is a refusal with that status. */
export function apiOf(answers: Record<string, Answer>): BatchApi {
  const client = new OpenAI({
    apiKey: 'test',
    maxRetries: 0,
    fetch: async (input, init) => {
      const { pathname } = new URL(input instanceof Request ? input.url : input);
      const answer = answers[`${(init?.method ?? 'get').toUpperCase()} ${pathname.slice(3)}`] ?? 404;
      return typeof answer === 'number'
        ? Response.json({ error: { message: 'No.' } }, { status: answer })
        : Response.json(answer);
    },
  });
  return new BatchApi(client, 0);
}
