import type { Client } from '@temporalio/client';
import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { sleep } from '../../../src/client/abortable.ts';
import { TemporalCalls } from '../../../src/client/temporal-calls.ts';

const target = { kind: 'configured', connection: { address: 'a:1' }, namespace: 'n' } as const;

/** A client of Temporal's whose calls never listen to a signal, as between two attempts of the SDK. */
function deafClient(): { client: Client; isClosed: () => boolean } {
  let closed = false;
  const client = {
    withAbortSignal: async (_signal: AbortSignal, call: () => Promise<unknown>) => await call(),
    connection: {
      close: async () => {
        closed = true;
      },
    },
  };
  return { client: client as unknown as Client, isClosed: () => closed };
}

const never = async (): Promise<never> => await new Promise(() => undefined);

test('a call ends with its signal even where the SDK does not listen, and leaves no listener behind', async () => {
  const { client } = deafClient();
  const calls = new TemporalCalls(client, target, true);
  const controller = new AbortController();
  const { signal } = controller;
  expect(await calls.run(async () => 1, { signal })).toBe(1);
  expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  const waiting = calls.run(never, { signal });
  controller.abort(new Error('enough'));
  await expect(waiting).rejects.toThrow('enough');
  expect(getEventListeners(signal, 'abort')).toHaveLength(0);
});

test('as many calls as there are jobs may wait at a time, for one signal, without a warning', async () => {
  const { client } = deafClient();
  const calls = new TemporalCalls(client, target, true);
  const { signal } = new AbortController();
  const warned: string[] = [];
  const listen = ({ name }: Error): number => warned.push(name);
  process.on('warning', listen);
  const waiting = Array.from({ length: 30 }, () => calls.run(never, { signal }).catch(() => undefined));
  const sleeping = Array.from({ length: 30 }, async () => await sleep(1, signal));
  await Promise.all(sleeping);
  await new Promise((resolve) => setImmediate(resolve));
  process.off('warning', listen);
  await calls.close();
  await Promise.all(waiting);
  expect(warned).toEqual([]);
});

test('the connection stays open until the SDK has given its calls up, though close() does not wait for ever', async () => {
  const { client, isClosed } = deafClient();
  const calls = new TemporalCalls(client, target, true);
  let giveUp = (_error: Error): void => undefined;
  const waiting = calls.run(async () => await new Promise((_, reject) => (giveUp = reject)));
  const ended = expect(waiting).rejects.toMatchObject({ code: 'client_closed' });
  await calls.close();
  await ended;
  expect(isClosed()).toBe(false);
  giveUp(new Error('away'));
  await expect.poll(isClosed).toBe(true);
});

test("close() closes the connection at once where nothing waits, and never somebody else's", async () => {
  const own = deafClient();
  await new TemporalCalls(own.client, target, true).close();
  expect(own.isClosed()).toBe(true);
  const theirs = deafClient();
  await new TemporalCalls(theirs.client, target, false).close();
  expect(theirs.isClosed()).toBe(false);
});
