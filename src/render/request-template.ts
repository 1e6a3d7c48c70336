import { Endpoint } from '../core/limits.ts';

/** The endpoints whose requests a template can write; image edits need files, not prompts. */
export type TemplateEndpoint = Exclude<Endpoint, '/v1/images/edits'>;
export const templateEndpoints: readonly TemplateEndpoint[] = [
  Endpoint.ChatCompletions,
  Endpoint.Responses,
  Endpoint.Embeddings,
  Endpoint.Completions,
  Endpoint.Moderations,
  Endpoint.ImageGenerations,
];

/** A column of the rows. */
export interface ColumnReference {
  /** Its name. */
  readonly column: string;
}

/** The images of a row. */
export interface TemplateImages extends ColumnReference {
  /** How precisely the model looks at them, at a price. @default the API's: `auto` */
  readonly detail?: 'low' | 'high' | 'auto';
}

/** The form of an answer, sent as a strict JSON Schema. */
export interface AnswerFormat {
  /** The schema's name at the API: 1 to 64 characters of `A-Z a-z 0-9 _ -`. */
  readonly name: string;
  /** A JSON Schema that strict structured outputs accept. */
  readonly schema: Readonly<Record<string, unknown>>;
}

/**
 * A request template: turns each row of an input into a request. Texts are Liquid templates over the columns of the row:
 * `Classify this review: {{ text }}`.
 */
export interface RequestTemplate {
  /** The endpoint of all requests. */
  readonly endpoint: TemplateEndpoint;
  /** The model, or the column that names it. */
  readonly model: string | ColumnReference;
  /** The text that the model gets, as a Liquid template: the user's message, or the input of an embedding. */
  readonly prompt: string;
  /** The system message of chat completions, or the instructions of responses, as a Liquid template. */
  readonly system?: string;
  /** Further fields of the request's body, the same for all rows, e.g. `{"temperature":0}`. */
  readonly params?: Readonly<Record<string, unknown>>;
  /** The column of images: a URL or the path of a file, or a list of them. Files are sent as data URLs. */
  readonly images?: TemplateImages;
  /** The form of the answers, for chat completions and responses. */
  readonly answer?: AnswerFormat;
  /** The column of the user's ids (`custom_id`); without it, a row is known by its number. */
  readonly id?: ColumnReference;
}

/** The text of a checked template: equal for equal templates. */
export function canonicalTemplate(template: RequestTemplate): string {
  return JSON.stringify(template);
}
