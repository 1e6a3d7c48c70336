import type { RequestTemplate, TemplateEndpoint } from './request-template.ts';

/** A place in a body that each row fills. `Images` is the last item of a list: each image adds a comma and itself. */
export const Slot = { Model: 'model', Prompt: 'prompt', System: 'system', Images: 'images' } as const;
export type Slot = (typeof Slot)[keyof typeof Slot];

/** JSON of a body, cut at its slots. */
export type BodyPiece = { readonly json: string } | { readonly slot: Slot };

/** What a template may use with an endpoint, and the field of the body that holds the prompt. */
interface EndpointFields {
  readonly prompt: string;
  readonly system?: true;
  readonly images?: true;
  readonly answer?: true;
}

const endpointFields: Readonly<Record<TemplateEndpoint, EndpointFields>> = {
  '/v1/chat/completions': { prompt: 'messages', system: true, images: true, answer: true },
  '/v1/responses': { prompt: 'input', system: true, images: true, answer: true },
  '/v1/embeddings': { prompt: 'input' },
  '/v1/completions': { prompt: 'prompt' },
  '/v1/moderations': { prompt: 'input', images: true },
  '/v1/images/generations': { prompt: 'prompt' },
};

/** A field of a template that does not fit its endpoint or another field. */
export interface TemplateFault {
  readonly path: readonly string[];
  readonly message: string;
}

/** Returns the first field that does not fit the endpoint or another field; null if all fit. */
export function fieldFault(template: RequestTemplate): TemplateFault | null {
  const { endpoint, params = {} } = template;
  const fields = endpointFields[endpoint];
  for (const field of ['system', 'images', 'answer'] as const) {
    if (template[field] !== undefined && fields[field] !== true)
      return { path: [field], message: `does not exist for ${endpoint}: remove it` };
  }
  const written: readonly (readonly [path: readonly string[], by: string | null])[] = [
    [['model'], 'model'],
    [[fields.prompt], 'prompt'],
    [['instructions'], endpoint === '/v1/responses' && template.system !== undefined ? 'system' : null],
    [
      ['response_format'],
      endpoint === '/v1/chat/completions' && template.answer !== undefined ? 'answer' : null,
    ],
    [['text', 'format'], endpoint === '/v1/responses' && template.answer !== undefined ? 'answer' : null],
  ];
  for (const [path, by] of written) {
    if (by !== null && valueAt(params, path) !== undefined)
      return { path: ['params', ...path], message: `is written by ${by}: remove it from params` };
  }
  if (params['stream'] === true)
    return { path: ['params', 'stream'], message: 'must not be true: the Batch API does not stream' };
  return null;
}

/** The body of a template's requests, cut at its slots. */
export function bodyPieces(template: RequestTemplate): BodyPiece[] {
  const pieces: BodyPiece[] = [];
  write(bodyOf(template), pieces);
  return pieces;
}

/** The JSON before and after the URL of an image in the list of a request's contents. */
export function imageParts({ endpoint, images }: RequestTemplate): readonly [before: string, after: string] {
  const detail = images?.detail === undefined ? '' : `,"detail":"${images.detail}"`;
  return endpoint === '/v1/responses'
    ? [',{"type":"input_image","image_url":', `${detail}}`]
    : [',{"type":"image_url","image_url":{"url":', `${detail}}}`];
}

class SlotMark {
  readonly slot: Slot;

  constructor(slot: Slot) {
    this.slot = slot;
  }
}

const model = new SlotMark(Slot.Model);
const prompt = new SlotMark(Slot.Prompt);
const system = new SlotMark(Slot.System);
const images = new SlotMark(Slot.Images);

function bodyOf(template: RequestTemplate): Readonly<Record<string, unknown>> {
  const { endpoint, params = {}, answer } = template;
  const hasImages = template.images !== undefined;
  const hasSystem = template.system !== undefined;
  const format = answer && { name: answer.name, strict: true, schema: answer.schema };
  switch (endpoint) {
    case '/v1/chat/completions':
      return {
        model,
        messages: [
          ...(hasSystem ? [{ role: 'system', content: system }] : []),
          { role: 'user', content: hasImages ? [{ type: 'text', text: prompt }, images] : prompt },
        ],
        ...params,
        ...(format && { response_format: { type: 'json_schema', json_schema: format } }),
      };
    case '/v1/responses':
      return {
        model,
        ...(hasSystem && { instructions: system }),
        input: hasImages
          ? [{ role: 'user', content: [{ type: 'input_text', text: prompt }, images] }]
          : prompt,
        ...params,
        ...(format && {
          text: { ...(params['text'] as object), format: { type: 'json_schema', ...format } },
        }),
      };
    case '/v1/moderations':
      return { model, input: hasImages ? [{ type: 'text', text: prompt }, images] : prompt, ...params };
    case '/v1/embeddings':
      return { model, input: prompt, ...params };
    case '/v1/completions':
    case '/v1/images/generations':
      return { model, prompt, ...params };
    default:
      return endpoint satisfies never;
  }
}

/** Appends the JSON of a value, cut at its marks. */
function write(value: unknown, pieces: BodyPiece[]): void {
  const json = (text: string): unknown => pieces.push({ json: text });
  if (value instanceof SlotMark) pieces.push({ slot: value.slot });
  else if (Array.isArray(value)) {
    json('[');
    for (const [i, item] of value.entries()) {
      if (i > 0 && item !== images) json(',');
      write(item, pieces);
    }
    json(']');
  } else if (typeof value === 'object' && value !== null) {
    json('{');
    for (const [i, [key, member]] of Object.entries(value).entries()) {
      json(`${i > 0 ? ',' : ''}${JSON.stringify(key)}:`);
      write(member, pieces);
    }
    json('}');
  } else json(JSON.stringify(value));
}

function valueAt(value: unknown, [key, ...rest]: readonly string[]): unknown {
  if (key === undefined) return value;
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
  return valueAt((value as Readonly<Record<string, unknown>>)[key], rest);
}
