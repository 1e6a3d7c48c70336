import type { Client } from '@temporalio/client';
import { getEventListeners } from 'node:events';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { sleep } from '../../../src/client/abortable.ts';
import { TemporalCalls } from '../../../src/client/temporal-calls.ts';
import { ServerAvailability } from '../../../src/temporal/index.ts';

const target = { kind: 'configured', connection: { address: 'a:1' }, namespace: 'n' } as const;

const never = async (): Promise<never> => await new Promise(() => undefined);

/** A Temporal client whose calls never listen to a signal, as between two attempts of the SDK. */
function deafClient(): { client: Client; isClosed: () => boolean } {
  let closed = false;
  const client = {
    withAbortSignal: async (_signal: AbortSignal, call: () => Promise<unknown>) => await call(),
    withDeadline: never,
    connection: {
      close: async () => {
        closed = true;
      },
    },
  };
  return { client: client as unknown as Client, isClosed: () => closed };
}

test('a call ends with its signal even if the SDK ignores it, and removes its listeners', async () => {
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

test('many concurrent calls may wait for one signal without a warning', async () => {
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

test('the connection stays open until the calls of the SDK have ended, and the wait of close() is limited', async () => {
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

test('many requests of a long poll cause no warning of a leak', async () => {
  const warned: string[] = [];
  const note = ({ name }: Error): void => void warned.push(name);
  process.on('warning', note);
  let given: AbortSignal | undefined;
  const listening = {
    withAbortSignal: async (signal: AbortSignal, call: () => Promise<unknown>) => {
      given = signal;
      return await call();
    },
  } as unknown as Client;
  await new TemporalCalls(listening, target, true).run(async () => {
    for (let poll = 0; poll < 20; poll += 1) given!.addEventListener('abort', () => undefined);
  });
  await new Promise(setImmediate); // warnings are emitted a moment later
  process.off('warning', note);
  expect(warned).toEqual([]);
});

test('close() closes the connection at once if no call waits, and never closes a connection of the application', async () => {
  const own = deafClient();
  await new TemporalCalls(own.client, target, true).close();
  expect(own.isClosed()).toBe(true);
  const theirs = deafClient();
  await new TemporalCalls(theirs.client, target, false).close();
  expect(theirs.isClosed()).toBe(false);
});

describe('with an unavailable server', () => {
  afterEach(() => void vi.useRealTimers());

  /** Calls over a connection that reports its attempts, with a clock of their own. */
  function started(
    options: { isLong: boolean },
    client: Client = deafClient().client,
  ): { availability: ServerAvailability; ended: () => string | null } {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
    const availability = new ServerAvailability();
    const calls = new TemporalCalls(client, target, true, availability);
    let end: string | null = null;
    const ending = calls.run(never, { jobId: 'j', patient: true, ...options });
    ending.catch((error: Error) => (end = error.message));
    return { availability, ended: () => end };
  }
  const gone = expect.stringContaining('a:1 no longer responds. Job j keeps its progress') as string;
  const UNAVAILABLE = 14;

  test('a call ends a minute after the first failed attempt, while the SDK still retries', async () => {
    const { availability, ended } = started({ isLong: true });
    await vi.advanceTimersByTimeAsync(300_000);
    expect(ended()).toBeNull(); // it may take long
    for (let second = 0; second < 60; second += 5) {
      availability.recordStatus(UNAVAILABLE);
      await vi.advanceTimersByTimeAsync(5_000);
      expect(ended()).toBeNull();
    }
    await vi.advanceTimersByTimeAsync(2_000);
    expect(ended()).toEqual(gone);
  });

  test('a call continues if the server is available again within the minute', async () => {
    const { availability, ended } = started({ isLong: true });
    availability.recordStatus(UNAVAILABLE);
    await vi.advanceTimersByTimeAsync(50_000);
    availability.recordStatus(0);
    await vi.advanceTimersByTimeAsync(50_000);
    availability.recordStatus(UNAVAILABLE);
    await vi.advanceTimersByTimeAsync(50_000);
    availability.recordStatus(5); // NOT_FOUND is a response, too
    await vi.advanceTimersByTimeAsync(300_000);
    expect(ended()).toBeNull();
  });

  test('a long poll continues if the server is available again, also if it refuses the probe', async () => {
    const refusing = {
      withAbortSignal: async (_signal: AbortSignal, call: () => Promise<unknown>) => await call(),
      withDeadline: async () => await Promise.reject(new Error('not for you')),
    } as unknown as Client;
    const { availability, ended } = started({ isLong: true }, refusing);
    availability.recordStatus(UNAVAILABLE);
    await vi.advanceTimersByTimeAsync(300_000);
    expect(ended()).toBeNull();
  });

  test('a short call without any response ends after a minute', async () => {
    const { ended } = started({ isLong: false });
    await vi.advanceTimersByTimeAsync(59_000);
    expect(ended()).toBeNull();
    await vi.advanceTimersByTimeAsync(3_000);
    expect(ended()).toEqual(gone);
  });

  test('a slow call continues while other calls succeed', async () => {
    const { availability, ended } = started({ isLong: false });
    for (let second = 0; second < 300; second += 5) {
      await vi.advanceTimersByTimeAsync(5_000);
      availability.recordStatus(0);
    }
    expect(ended()).toBeNull();
  });
});
