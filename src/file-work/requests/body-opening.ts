import { escapeSeparators } from './separators.ts';
import { isBlank } from './trim-row.ts';

/** The first bytes of a body to which the job's model is added; the body's own bytes follow, without their `{`. */
export class BodyOpenings {
  private readonly models = new Map<string, string>();

  of(block: Buffer, bodyStart: number, model: string): string {
    let text = this.models.get(model);
    if (text === undefined) {
      text = `{"model":${escapeSeparators(Buffer.from(JSON.stringify(model))).toString()}`;
      this.models.set(model, text);
    }
    let next = bodyStart + 1;
    while (isBlank(block[next]!)) next += 1;
    return block[next] === 0x7d ? text : `${text},`;
  }
}
