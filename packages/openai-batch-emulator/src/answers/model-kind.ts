/** The use of a model, derived from its name. */
type ModelKind = 'chat' | 'completion' | 'embedding' | 'moderation' | 'image' | 'audio';

/** What a model's name shows about it. */
export interface ModelFacts {
  /** Undefined if the name does not show it: such a model may be used everywhere. */
  kind: ModelKind | undefined;
  /** Whether the model refuses sampling parameters and `max_tokens`: the o series, and gpt-5 before 5.1. */
  isReasoning: boolean;
  /** GPT-5.6 and later charge for writes to the prompt cache and report them. */
  reportsCacheWrites: boolean;
  /** The maximum number of tokens of prompt and answer together; undefined if it is not known. */
  contextTokens: number | undefined;
}

/** Cached, because all lines of a batch need the facts of the same model. */
let latest: { model: string; facts: ModelFacts } | undefined;

export function modelFacts(model: string): ModelFacts {
  if (latest?.model === model) return latest.facts;
  const name = baseName(model);
  const facts = {
    kind: kindOf(name),
    isReasoning: /^o\d(?:-|$)|^gpt-5(?:-mini|-nano)?(?:-\d{4}|$)/.test(name),
    reportsCacheWrites: isCacheWriter(name),
    contextTokens: CONTEXT_TOKENS.find(([names]) => names.test(name))?.[1],
  };
  latest = { model, facts };
  return facts;
}

function kindOf(name: string): ModelKind | undefined {
  if (/embedding/.test(name)) return 'embedding';
  if (/moderation/.test(name)) return 'moderation';
  if (/^(?:chatgpt|gpt)-image|^dall-e/.test(name)) return 'image';
  if (/^(?:whisper|tts)-|-(?:transcribe|tts|realtime)(?:-|$)/.test(name)) return 'audio';
  if (/^gpt-3\.5-turbo-instruct|^(?:text-)?(?:davinci|babbage)-/.test(name)) return 'completion';
  return /^(?:gpt|chatgpt|o\d)-|^o\d$/.test(name) ? 'chat' : undefined;
}

function isCacheWriter(name: string): boolean {
  const version = /^gpt-(\d+)(?:\.(\d+))?(?:-|$)/.exec(name);
  if (!version) return false;
  const [major, minor] = [Number(version[1]), Number(version[2] ?? 0)];
  return major > 5 || (major === 5 && minor >= 6);
}

/** The first match applies; from the models' pages, read in November 2026. */
const CONTEXT_TOKENS: readonly (readonly [RegExp, number])[] = [
  [/^text-embedding-/, 8192],
  [/^gpt-3\.5-turbo-instruct/, 4097],
  [/^gpt-3\.5-/, 16_385],
  [/^gpt-4(?:-\d{4}|$)/, 8192],
  [/^gpt-4(?:-turbo|o)|^chatgpt-4o/, 128_000],
  [/^gpt-4\.1/, 1_047_576],
  [/^o\d/, 200_000],
  [/^gpt-5(?:\.[1-3])?(?:-|$)/, 400_000],
  [/^gpt-(?:5\.|[6-9])/, 1_050_000],
];

/** The models in `GET /v1/models` without the option `models`. */
export const KNOWN_MODELS: readonly string[] = [
  'gpt-3.5-turbo',
  'gpt-3.5-turbo-instruct',
  'gpt-4o',
  'gpt-4o-mini',
  'gpt-4.1',
  'gpt-4.1-mini',
  'gpt-4.1-nano',
  'gpt-5',
  'gpt-5-mini',
  'gpt-5-nano',
  'gpt-5.4-nano',
  'gpt-5.6-luna',
  'gpt-5.6-sol',
  'o3-mini',
  'o4-mini',
  'gpt-image-1',
  'omni-moderation-latest',
  'text-embedding-3-large',
  'text-embedding-3-small',
  'text-embedding-ada-002',
];

/** A fine-tuned model is called `ft:BASE:…`. */
function baseName(model: string): string {
  return model.startsWith('ft:') ? (model.split(':')[1] ?? model) : model;
}
