import { costSection } from './cost-by-model.ts';
import { errorsSection } from './errors-met.ts';
import { html } from './html.ts';
import type { JobStory } from './job-story.ts';
import { roundsSection } from './lines-by-round.ts';
import { shardsSection } from './shard-table.ts';
import { timelineSection } from './timeline.ts';

/**
 * The drawings and tables of a job's report, as HTML for `reportPage`. Loads the drawing library: 60 ms, and some tens of
 * MB while it draws.
 */
export function drawReport({ startedAt, shards, models }: JobStory): string {
  return html`${timelineSection(startedAt, shards)} ${roundsSection(shards)} ${errorsSection(shards)}
  ${costSection(models)} ${shardsSection(startedAt, shards)}`.text;
}
