/**
 * Kinds that programs write and people read: ServiceL2Status, ServiceBGPStatus and
 * ConfigurationState, as MetalLB has them (v1beta1); and metav1.Condition.
 */
import * as z from './checker.ts';
import { FIXED, text } from './field.ts';

export const nothing = z.object({}).describe('Nothing is asked for here.');
export const unreported = z.object({}).describe('Nothing is reported here.');

const service = {
  node: text.meta(FIXED).optional().describe('The node that announces.'),
  serviceName: text.meta(FIXED).optional().describe('Name of the Service.'),
  serviceNamespace: text.meta(FIXED).optional().describe('Namespace of the Service.'),
};

export const l2Status = z
  .object({
    ...service,
    interfaces: z
      .array(z.object({ name: text.optional().describe('As the node calls it.') }))
      .optional()
      .describe('Interfaces that the node announces from.'),
  })
  .describe('Who announces what.');

export const bgpStatus = z
  .object({
    ...service,
    peers: z.array(text).optional().describe('BGPPeers that the Service is announced to.'),
  })
  .describe('Who announces what to whom.');

const TYPE =
  '^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?' +
  '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$';

const condition = z.object({
  type: text.meta({ pattern: TYPE, maxLength: 316 }).describe('Of what is judged.'),
  status: z.enum(['True', 'False', 'Unknown']).describe('The judgement.'),
  reason: text
    .meta({ pattern: '^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$', minLength: 1, maxLength: 1024 })
    .describe('Why, in one word for programs.'),
  message: text.meta({ maxLength: 32_768 }).describe('Why, for people.'),
  lastTransitionTime: text.meta({ format: 'date-time' }).describe('When it became so.'),
  observedGeneration: z.int().min(0).optional().describe('Version of the spec that was judged.'),
});

export const configurationStatus = z
  .object({
    result: z
      .enum(['Valid', 'Invalid', 'Unknown'])
      .optional()
      .describe('Whether the configuration can be used by this program.'),
    errorSummary: text.optional().describe('All that is wrong, a line each.'),
    conditions: z
      .array(condition)
      .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] })
      .optional()
      .describe('The judgement of each part of the program.'),
  })
  .describe('What a program thinks of the configuration.');
