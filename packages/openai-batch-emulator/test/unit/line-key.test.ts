import { describe, expect, it } from 'vitest';
import { lineKey } from '../../src/line-key.ts';

describe('lineKey', () => {
  const body = { model: 'm', messages: [{ role: 'user', content: 'hi' }] };

  it('does not depend on the order of the members of the body', () => {
    const reordered = { messages: [{ content: 'hi', role: 'user' }], model: 'm' };
    expect(lineKey('a', reordered)).toEqual(lineKey('a', body));
  });

  it.each([
    ['another custom_id', 'b', body],
    ['another body', 'a', { ...body, temperature: 0 }],
    ['another order of an array', 'a', { ...body, messages: [...body.messages, 1].toReversed() }],
  ])('differs for %s', (_name, customId, other) => {
    expect(lineKey(customId, other).text).not.toBe(lineKey('a', body).text);
  });
});
