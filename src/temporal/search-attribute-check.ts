import type { Connection } from '@temporalio/client';
import { searchAttributes } from '../core/search-attributes.ts';

/**
 * True when a namespace has all our search attributes: a workflow that sets one that is unknown stands still. False also
 * where the server does not say, as it does to those who may only run workflows.
 */
export async function hasSearchAttributes(connection: Connection, namespace: string): Promise<boolean> {
  try {
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
    return Object.values(searchAttributes).every(({ name }) => Object.hasOwn(customAttributes ?? {}, name));
  } catch {
    return false; // they are a convenience, and this is not the place to fail
  }
}
