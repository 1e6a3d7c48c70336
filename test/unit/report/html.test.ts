import { expect, test } from 'vitest';
import { html } from '../../../src/report/html.ts';

test.each([
  ['text', 'a < b & "c" > \'d\'', 'a &lt; b &amp; &quot;c&quot; &gt; &#39;d&#39;'],
  ['a number', 7, '7'],
  ['nothing', null, ''],
  ['a list', ['<', html`<b>${'&'}</b>`], '&lt;<b>&amp;</b>'],
] as const)('%s is put into a page as what it is', (_, piece, text) => {
  expect(html`[${piece}]`.text).toBe(`[${text}]`);
});
