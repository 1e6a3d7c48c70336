import { expect, test } from 'vitest';
import stringWidth from 'string-width';
import { renderTable } from '../../../src/cli/render-table.ts';
import { previewTable } from '../../../src/output/preview-table.ts';
import { chatBody, FinishedJob } from '../../support/finished-job.ts';

test('the first rows fit the terminal; control characters and columns without values are left out', async () => {
  using job = await FinishedJob.overRows(
    {
      kind: 'objects',
      objects: [1, 2, 3].map((id) => ({ id, text: `日本\u001b[2J\n${'long '.repeat(100)}` })),
    },
    { prompt: '{{ text }}', model: 'gpt-5-mini' },
    [1, 2, 3].map((n) => ({ response: chatBody(`answer ${n}`) })),
  );
  const preview = await previewTable(job.store, job.spec.jobId, 2);
  expect(preview.columns).toEqual(['id', 'text', 'answer', 'status', 'error']);
  expect(preview.rows).toHaveLength(2);
  const [header, first, second, ...more] = renderTable(preview, 60).split('\n');
  expect(more).toEqual([]);
  expect(header).toMatch(/^id {2}text {20,}answer {4}status$/);
  expect(first).toMatch(/^1 {3}日本 \[2J long .*… {2}answer 1 {2}answered$/);
  for (const line of [header, first, second]) expect(stringWidth(line!)).toBeLessThanOrEqual(60);
});
