import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Account } from './account.ts';
import { bodyOf, paramOf, queryOf } from './api-call.ts';
import { ApiError } from './api-error.ts';
import type { BookedRule } from './fault-book.ts';
import { faultRuleSchema } from './fault-rule.ts';

const clockChange = z.strictObject({ advanceSeconds: z.number().min(0) });

/** The routes under /emulator, which the real API does not have: faults, ledger, counters, clock. */
export function addAdminRoutes(app: FastifyInstance, account: Account): void {
  const { faults, batches, calls, clock, webhooks } = account;

  app.get('/emulator', () => {
    const { apiKey, webhookSecret, ...options } = account.options;
    const isSet = (secret: string | undefined): 'set' | null => (secret === undefined ? null : 'set');
    return {
      options: { ...options, apiKey: isSet(apiKey), webhookSecret: isSet(webhookSecret) },
      now: clock.nowSeconds(),
    };
  });

  app.get('/emulator/faults', () => faults.list());
  app.post('/emulator/faults', (request): BookedRule[] => {
    const { body } = request;
    const rules = Array.isArray(body)
      ? parseBody(z.array(faultRuleSchema), body)
      : [parseBody(faultRuleSchema, body)];
    return rules.map((rule) => faults.add(rule));
  });
  app.delete('/emulator/faults', () => {
    faults.clear();
    return [];
  });
  app.delete('/emulator/faults/:id', (request) => {
    const id = paramOf(request, 'id');
    if (!faults.remove(id)) throw new ApiError(404, `No fault rule '${id}'.`);
    return faults.list();
  });

  app.get('/emulator/ledger', (request, reply) => {
    const { detail, all } = queryOf(request);
    if (detail !== '1' && all !== '1') return reply.send(batches.ledger.summary());
    return reply.type('application/jsonl').send(Readable.from(batches.ledger.details(all === '1')));
  });
  app.get('/emulator/calls', () => calls.report());
  app.get('/emulator/webhooks', () => webhooks.list());

  app.post('/emulator/clock', (request) => {
    account.advanceClock(parseBody(clockChange, bodyOf(request)).advanceSeconds * 1000);
    return { now: clock.nowSeconds() };
  });
  app.post('/emulator/reset', async () => {
    await account.reset();
    return batches.ledger.summary();
  });
}

function parseBody<T>(schema: z.ZodType<T>, body: unknown): T {
  const result = schema.safeParse(body);
  if (!result.success) throw new ApiError(400, z.prettifyError(result.error));
  return result.data;
}
