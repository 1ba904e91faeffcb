/**
 * IPAddressPool: fields, defaults and status are MetalLB's (v1beta1). What an entry of `addresses`
 * is, in CEL, as `net/range` has it: a CIDR, or two addresses of one family and a hyphen. That a
 * range starts before it ends and that none overlap is for admission policies (deploy/admission),
 * since the API server bounds the cost of a CRD's rule by its worst case.
 */
import * as z from './checker.ts';
import { guard, names, rule, selectors, text } from './field.ts';

const ENDS = "self.split('-')";

const entry = text.meta(
  guard(
    // Two IPv6 addresses in full, a hyphen, and spaces around it.
    { maxLength: 81 },
    rule(
      `self.contains('-') ? ${ENDS}.size() == 2 && ${ENDS}.all(x, isIP(x.trim())) : isCIDR(self)`,
      'must be a CIDR such as 192.0.2.0/28 or a range such as 192.0.2.10-192.0.2.20',
    ),
    rule(
      `!self.contains('-') || ${ENDS}.size() != 2 || !${ENDS}.all(x, isIP(x.trim())) || ` +
        `ip(${ENDS}[0].trim()).family() == ip(${ENDS}[1].trim()).family()`,
      'both ends of a range must be of one address family',
    ),
  ),
);

export const poolSpec = z
  .object({
    addresses: z
      .array(entry)
      .meta(guard({ minItems: 1, maxItems: 128 }))
      .describe(
        'Addresses that may be given out: CIDRs such as `192.0.2.0/28` or ranges such as ' +
          '`192.0.2.10-192.0.2.20`, IPv4 or IPv6, used in this order. No two may overlap, in ' +
          'any pool.',
      ),
    autoAssign: z
      .boolean()
      .default(true)
      .describe('Whether Services that name neither the pool nor an address in it may use it.'),
    avoidBuggyIPs: z
      .boolean()
      .default(false)
      .describe('Never give out IPv4 addresses that end in .0 or .255.'),
    serviceAllocation: z
      .object({
        priority: z
          .int()
          .optional()
          .describe('Pools with a lower number are used first; 0 or none is used last.'),
        namespaces: names.describe('Only for Services in these namespaces.'),
        namespaceSelectors: selectors.describe(
          'Only for Services in namespaces with such labels; united with `namespaces`.',
        ),
        serviceSelectors: selectors.describe('Only for Services with such labels.'),
      })
      .optional()
      .describe('For whom the pool is set apart.'),
  })
  .describe('What may be given out, and to whom.');

/** Of an IPv6 pool more is left than JavaScript counts in ones, which `z.int` would refuse. */
function counter(description: string): z.ZodNumber {
  return z.number().meta({ type: 'integer', description, format: 'int64' });
}

export const poolStatus = z
  .object({
    assignedIPv4: counter('IPv4 addresses in use.'),
    assignedIPv6: counter('IPv6 addresses in use.'),
    availableIPv4: counter('IPv4 addresses still free.'),
    availableIPv6: counter('IPv6 addresses still free.'),
  })
  .describe('Counters of the pool.');
