import { describe, expect, it } from 'vitest';
import { createSeededRandom } from '../../src/answers/seeded-random.ts';
import { LedgerTable } from '../../src/ledger-table.ts';

describe('LedgerTable', () => {
  it('counts like a map of objects while it grows', () => {
    const table = new LedgerTable();
    const expected = new Map<string, { executed: number; paid: number }>();
    const random = createSeededRandom(7);
    for (let i = 0; i < 50_000; i++) {
      // Few distinct values: keys that share one half must not be confused.
      const [hi, lo] = [Math.floor(random() * 200), Math.floor(random() * 200)];
      const paid = random() < 0.5;
      const line = expected.get(`${hi} ${lo}`) ?? { executed: 0, paid: 0 };
      expected.set(`${hi} ${lo}`, { executed: line.executed + 1, paid: line.paid + (paid ? 1 : 0) });
      if (table.record(hi, lo, 0, i, paid) !== line.paid + (paid ? 1 : 0)) expect.fail(`at ${i}`);
    }
    expect(table.lines).toBe(expected.size);
    const counted = [...expected.keys()].map((key) => {
      const [hi, lo] = key.split(' ').map(Number) as [number, number];
      return table.executedOf(hi, lo);
    });
    expect(counted).toEqual([...expected.values()].map(({ executed }) => executed));
  });

  it('keeps each execution of a line in order', () => {
    const table = new LedgerTable();
    table.record(1, 2, 0, 10, false);
    table.record(9, 9, 0, 30, true);
    table.record(1, 2, 4, 50, true);
    expect([...table.executionsOf(0)]).toEqual([
      { batch: 0, offset: 10, paid: false },
      { batch: 4, offset: 50, paid: true },
    ]);
    expect(table.executedOf(5, 5)).toBe(0);
  });

  it('holds a million lines in less than 100 MB', () => {
    const before = process.memoryUsage().arrayBuffers;
    const table = new LedgerTable();
    const random = createSeededRandom(3);
    for (let i = 0; i < 1_000_000; i++) table.record((random() * 2 ** 32) >>> 0, i, 0, i, true);
    expect(table.lines).toBe(1_000_000);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(100e6);
  });
});
