import { describe, expect, it } from 'vitest';
import { sentimentOf } from '../../src/answers/sentiment.ts';

describe('sentimentOf', () => {
  it.each([
    ['This film is wonderful, I loved every minute of it.', 'positive'],
    ['The worst meal I have ever had. Awful service.', 'negative'],
    ['The parcel arrived on Tuesday.', 'neutral'],
    ['This is not good.', 'negative'],
    ['It was not a very good film.', 'negative'],
    ['I don\u2019t like it at all', 'negative'],
    ['Not bad at all!', 'positive'],
    ['Nice box, but the phone is broken and support was terrible.', 'negative'],
    ['', 'neutral'],
  ])('labels %j as %s', (text, label) => {
    expect(sentimentOf(text)).toBe(label);
  });

  it('does not apply a negation to the next sentence', () => {
    expect(sentimentOf('It did not rain. Great day!')).toBe('positive');
  });
});
