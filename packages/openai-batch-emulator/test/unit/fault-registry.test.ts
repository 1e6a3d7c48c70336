import { describe, expect, it } from 'vitest';
import { createFaultRegistry } from '../../src/fault-registry.ts';
import type { RegisteredRule, FaultRegistry } from '../../src/fault-registry.ts';
import { faultRuleSchema } from '../../src/faults/fault-rule-schema.ts';
import type { CallFaultRule, FaultRule, LineFaultRule } from '../../src/faults/fault-rule.ts';

function registryOf(...rules: FaultRule[]): FaultRegistry {
  const registry = createFaultRegistry(1, [], () => undefined);
  for (const rule of rules) registry.add(rule);
  return registry;
}

function callRule(rest: Partial<CallFaultRule>): CallFaultRule {
  return { on: 'call', call: 'batches.create', fault: { kind: 'reset' }, ...rest };
}

function struckOf(registry: FaultRegistry, calls: number): number[] {
  const struck: number[] = [];
  for (let call = 1; call <= calls; call++)
    if (registry.forCall('batches.create').length > 0) struck.push(call);
  return struck;
}

describe('createFaultRegistry', () => {
  it.each([
    ['every call', {}, [1, 2, 3, 4]],
    ['the nth', { nth: 2 }, [2]],
    ['several', { nth: [1, 4] }, [1, 4]],
    ['at most count', { count: 2 }, [1, 2]],
    ['calls of any kind', { call: '*' as const, nth: 3 }, [3]],
    ['calls of the kinds listed', { call: ['files.list', 'batches.create'] as const, nth: 1 }, [1]],
    ['no call of another kind', { call: 'files.list' as const }, []],
    ['none at probability 0', { probability: 0 }, []],
  ])('applies to %s', (_name, rest, expected) => {
    expect(struckOf(registryOf(callRule(rest as Partial<CallFaultRule>)), 4)).toEqual(expected);
  });

  it('draws the same calls from the same seed', () => {
    const rule = callRule({ probability: 0.5 });
    const struck = struckOf(registryOf(rule), 100);
    expect(struck).toEqual(struckOf(registryOf(rule), 100));
    expect(struck.length).toBeGreaterThan(30);
    expect(struck.length).toBeLessThan(70);
  });

  it('keeps its counts across a restart', () => {
    const changes = new Map<string, RegisteredRule | null>();
    const first = createFaultRegistry(1, [], (id, registered) =>
      changes.set(id, structuredClone(registered)),
    );
    first.add(callRule({ nth: 2 }));
    first.forCall('batches.create');
    const second = createFaultRegistry(1, [...changes.values()] as RegisteredRule[], () => undefined);
    expect(second.forCall('batches.create')).toEqual([{ kind: 'reset' }]);
  });

  it('matches batches by their metadata', () => {
    const registry = registryOf({
      on: 'batch',
      metadata: { job: 'a' },
      nth: 1,
      fault: { kind: 'never_expires' },
    });
    expect(registry.forBatch({ job: 'b' })).toEqual([]);
    expect(registry.forBatch({ job: 'a', more: 'x' })).toHaveLength(1);
    expect(registry.forBatch({ job: 'a' })).toEqual([]);
  });

  it('applies to a line by share, by id, and only in its first executions', () => {
    const line = { customId: 'a', key: 'k', executions: 0 };
    const strikes = (rule: Partial<LineFaultRule>, of: Partial<typeof line>): boolean =>
      registryOf({ on: 'line', fault: { kind: 'lost' }, ...rule }).forLine({ ...line, ...of }) !== undefined;
    expect(strikes({}, {})).toBe(true);
    expect(strikes({}, { executions: 1 })).toBe(false);
    expect(strikes({ executions: 2 }, { executions: 1 })).toBe(true);
    expect(strikes({ executions: null }, { executions: 9 })).toBe(true);
    expect(strikes({ customId: ['b', 'a'] }, {})).toBe(true);
    expect(strikes({ customId: 'b' }, {})).toBe(false);
    const struck = Array.from({ length: 1000 }, (_, i) => strikes({ fraction: 0.1 }, { key: `key ${i}` }));
    expect(struck.filter(Boolean).length).toBeGreaterThan(70);
    expect(struck.filter(Boolean).length).toBeLessThan(130);
  });

  it('removes a rule by its id', () => {
    const registry = registryOf(callRule({ id: 'mine' }));
    expect(registry.remove('mine')).toBe(true);
    expect(registry.remove('mine')).toBe(false);
    expect(struckOf(registry, 2)).toEqual([]);
  });
});

describe('faultRuleSchema', () => {
  it.each<FaultRule>([
    { on: 'call', call: 'batches.create', nth: 1, fault: { kind: 'reset', when: 'after' } },
    { on: 'call', call: '*', probability: 0.1, fault: { kind: 'status', status: 429, retryAfterSeconds: 1 } },
    { on: 'file', fault: { kind: 'not_found', seconds: 2 } },
    { on: 'batch', nth: 2, fault: { kind: 'expire', afterFraction: 0.5 } },
    { on: 'line', fraction: 0.05, fault: { kind: 'status', status: 0 } },
  ])('accepts %j', (rule) => {
    expect(faultRuleSchema.parse(rule)).toEqual(rule);
  });

  it.each([
    ['an unknown call', { on: 'call', call: 'models.create', fault: { kind: 'reset' } }],
    ['a fault of another place', { on: 'line', fault: { kind: 'reset' } }],
    ['a share above one', { on: 'line', fraction: 2, fault: { kind: 'lost' } }],
    ['a misspelt member', { on: 'batch', fault: { kind: 'expire', afterFraktion: 0.5 } }],
  ])('refuses %s', (_name, rule) => {
    expect(faultRuleSchema.safeParse(rule).success).toBe(false);
  });
});
