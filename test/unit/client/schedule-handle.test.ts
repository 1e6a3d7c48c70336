import { expect, test } from 'vitest';
import { ScheduleHandle } from '../../../src/client/schedules/schedule-handle.ts';

/** A server gets no call before the options are valid. */
const handle = new ScheduleHandle('n', {} as never, {} as never);

test('a backfill of future times is refused', async () => {
  const hour = 3_600_000;
  const range = (from: number, to: number) => ({
    from: new Date(Date.now() + from),
    to: new Date(Date.now() + to),
  });
  for (const future of [range(-hour, hour), range(hour, 2 * hour)]) {
    await expect(handle.backfill(future)).rejects.toMatchObject({
      code: 'bad_option',
      message: expect.stringContaining('Option --to is in the future') as string,
    });
  }
  await expect(handle.backfill(range(-hour, -2 * hour))).rejects.toThrow(
    'Option --from must be a time before',
  );
});

test('an update with an unknown option is refused', async () => {
  await expect(handle.update({ modle: 'm' } as never)).rejects.toThrow(
    'Option modle does not exist: did you mean model?',
  );
});
