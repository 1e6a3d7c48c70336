/** What the thread does that draws reports: apart from the others, as its library takes longer to load than all of theirs. */
import { drawReport as draw } from '../report/draw-report.ts';
import type { JobStory } from '../report/job-story.ts';

export const drawReport = ([story]: [story: JobStory]): string => draw(story);

/** A first drawing takes three times as long as the next: it is done while the job waits for its batches. */
export const warmUp = (): void => {
  const batch = {
    batchId: '',
    createdAt: 0,
    inProgressAt: 1_000,
    finalizingAt: 2_000,
    endedAt: 3_000,
    status: 'completed',
    adopted: false,
  };
  const tokens = { inputTokens: 1, cachedTokens: 0, outputTokens: 1 };
  const lines = {
    lines: 1,
    answered: 1,
    failed: 0,
    again: 0,
    cancelled: 0,
    errors: {},
    examples: {},
    twice: null,
  };
  draw({
    startedAt: new Date(0).toISOString(),
    shards: [{ id: 'r1-00001', round: 1, model: '', ...lines, ...tokens, batches: [batch] }],
    models: [{ model: '', lines: 1, ...tokens, batchUsd: 1, listUsd: 2 }],
  });
};
