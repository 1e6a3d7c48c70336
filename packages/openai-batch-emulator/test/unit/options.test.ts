import { describe, expect, it } from 'vitest';
import { resolveEmulatorOptions } from '../../src/resolve-options.ts';

describe('resolveEmulatorOptions', () => {
  it('fills in the limits of the real API', () => {
    expect(resolveEmulatorOptions({ port: 8123, lifecycle: { mode: 'timed' } })).toMatchObject({
      port: 8123,
      host: '127.0.0.1',
      speed: 1,
      windowSeconds: 86_400,
      maxBatchBytes: 209_715_200,
      maxBatchLines: 50_000,
      batchesPerHour: 2000,
      lifecycle: { mode: 'timed', validatingMs: 3000 },
    });
  });

  it.each([
    ['a host that others can reach', { host: '0.0.0.0' }, 'host'],
    ['a speed of 0', { speed: 0 }, 'speed'],
    ['an invalid rule', { faults: [{ on: 'nothing' }] }, 'faults.0'],
    ['an unknown option', { sped: 2 }, 'sped'],
  ])('refuses %s and names it', (_name, options, named) => {
    expect(() => resolveEmulatorOptions(options as object)).toThrow(named);
  });
});
