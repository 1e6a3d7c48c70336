import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import * as z from 'zod';
import type { Account } from './account.ts';
import { bodyOf, paramOf, queryOf } from './api-call.ts';
import { ApiError } from './api-error.ts';
import { sumLedgers } from './emulated-api.ts';
import type { EmulatedApi } from './emulated-api.ts';
import type { RegisteredRule } from './fault-registry.ts';
import { faultRuleSchema } from './faults/fault-rule-schema.ts';
import type { Ledger } from './ledger.ts';

const clockChange = z.strictObject({ advanceSeconds: z.number().min(0) });

/** The routes under /emulator, which the real API does not have: faults, ledger, counters, webhooks and clock. */
export function addAdminRoutes(app: FastifyInstance, api: EmulatedApi): void {
  const { faults, calls, clock } = api;

  app.get('/emulator', () => {
    const { apiKey, webhookSecret, projects, ...options } = api.options;
    const isSet = (secret: string | undefined): 'set' | null => (secret === undefined ? null : 'set');
    return {
      options: {
        ...options,
        apiKey: isSet(apiKey),
        projects: Object.keys(projects),
        webhookSecret: isSet(webhookSecret),
      },
      now: clock.nowSeconds(),
    };
  });

  app.get('/emulator/faults', () => faults.list());
  app.post('/emulator/faults', (request): RegisteredRule[] => {
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

  app.get('/emulator/ledger', async (request, reply) => {
    const { detail, all } = queryOf(request);
    const ledgers = (await requestedAccounts(api, request)).map(({ batches }) => batches.ledger);
    if (detail !== '1' && all !== '1') return sumLedgers(ledgers.map((ledger) => ledger.summary()));
    return reply.type('application/jsonl').send(Readable.from(detailsOf(ledgers, all === '1')));
  });
  app.get('/emulator/calls', () => calls.report());
  app.get('/emulator/webhooks', async (request) =>
    (await requestedAccounts(api, request)).flatMap(({ webhooks }) => webhooks.list()),
  );

  app.post('/emulator/clock', (request) => {
    api.advanceClock(parseBody(clockChange, bodyOf(request)).advanceSeconds * 1000);
    return { now: clock.nowSeconds() };
  });
  app.post('/emulator/reset', async () => {
    await api.reset();
    return sumLedgers([]);
  });
}

/** The account of the `key` or `project` in the query, or all accounts. */
async function requestedAccounts(api: EmulatedApi, request: FastifyRequest): Promise<Account[]> {
  const { key, project } = queryOf(request);
  if (key !== undefined) return [await api.accountOf(key)];
  if (project === undefined) return api.accounts();
  if (!Object.hasOwn(api.options.projects, project)) throw new ApiError(404, `No project '${project}'.`);
  return [await api.accountOfProject(project)];
}

async function* detailsOf(ledgers: readonly Ledger[], all: boolean): AsyncGenerator<string> {
  for (const ledger of ledgers) yield* ledger.details(all);
}

function parseBody<T>(schema: z.ZodType<T>, body: unknown): T {
  const result = schema.safeParse(body);
  if (!result.success) throw new ApiError(400, z.prettifyError(result.error));
  return result.data;
}
