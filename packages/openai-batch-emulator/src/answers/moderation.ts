import { seededFraction } from './seeded-random.ts';
import { modelOf } from './answer.ts';
import type { Answer, AnswerContext, JsonObject } from './answer.ts';
import { contentText } from './request-text.ts';
import { sentimentScore } from './sentiment.ts';
import { inputTokens } from './token-estimate.ts';

const CATEGORIES = [
  'harassment',
  'harassment/threatening',
  'hate',
  'hate/threatening',
  'illicit',
  'illicit/violent',
  'self-harm',
  'self-harm/instructions',
  'self-harm/intent',
  'sexual',
  'sexual/minors',
  'violence',
  'violence/graphic',
] as const;

/** A text with a sentiment score below this counts as harassment. */
const FLAGGED_BELOW = -8;

/** The response of /v1/moderations: only very negative texts are flagged, as harassment. */
export function moderation(body: JsonObject, context: AnswerContext): Answer {
  const input = body['input'];
  const several = Array.isArray(input) && input.every((item) => typeof item === 'string');
  const texts = several ? input : [contentText(input)];
  return {
    inputTokens: inputTokens(input),
    outputTokens: 0,
    body: {
      id: `modr-${context.token}`,
      model: modelOf(body, 'omni-moderation-latest'),
      results: texts.map(moderate),
    },
  };
}

function moderate(text: string): JsonObject {
  const flagged = sentimentScore(text) < FLAGGED_BELOW;
  const categories: Record<string, boolean> = {};
  const scores: Record<string, number> = {};
  const types: Record<string, string[]> = {};
  for (const category of CATEGORIES) {
    const isFlagged = flagged && category === 'harassment';
    categories[category] = isFlagged;
    scores[category] = isFlagged ? 0.9 : seededFraction(0, `${category} ${text}`) / 1000;
    types[category] = ['text'];
  }
  return { flagged, categories, category_scores: scores, category_applied_input_types: types };
}
