import type { RequestTemplate } from './request-template.ts';
import { TextTemplate } from './text-template.ts';

/** The files of a template's texts, for messages. @default `prompt` and `system` */
export interface TemplateNames {
  readonly prompt?: string;
  readonly system?: string;
}

/** A column that each row must have, and where the template uses it first: `sentiment.md:3:12`, or the option. */
export interface ColumnUse {
  readonly column: string;
  readonly place: string;
}

/** The columns that a checked template uses. */
export function columnUses(template: RequestTemplate, names: TemplateNames = {}): ColumnUse[] {
  const prompt = new TextTemplate(template.prompt, names.prompt ?? 'prompt');
  const system = new TextTemplate(template.system ?? '', names.system ?? 'system');
  const places = [...prompt.places(), ...system.places()];
  for (const option of ['model', 'images', 'id'] as const) {
    const from = template[option];
    if (typeof from === 'object') places.push([from.column, `option ${option}`]);
  }
  return places.map(([column, place]) => ({ column, place }));
}
