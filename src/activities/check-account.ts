import type { Dependencies } from './step/dependencies.ts';
import { whileBeating } from './step/heartbeat.ts';

/** Asks whether the API accepts the key; see `BatchApi.checkKey`. Safe twice: it only reads. */
export async function checkAccount({ api }: Dependencies): Promise<void> {
  await whileBeating((signal) => api.checkKey(signal));
}
