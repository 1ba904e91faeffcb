/**
 * Why a Service has its address or none: one name each, in conditions, logs, metrics and docs.
 */
export type Reason =
  /** It has what it asked for. */
  | 'Allocated'
  /** The request itself cannot be understood; what is held stays. */
  | 'InvalidRequest'
  /** It is headless, or the API server has given it no cluster IP. */
  | 'NoClusterIP'
  /** Its namespace uses as many addresses as it may. */
  | 'QuotaExhausted'
  /** No IPAddressPool exists. */
  | 'NoPools'
  /** Pools exist, but none may serve this Service or has its family. */
  | 'NoPoolFits'
  /** The pools that fit are used up. */
  | 'NoAddressLeft'
  | 'NoSuchPool'
  /** The pool asked for is set apart for others. */
  | 'PoolNotForService'
  /** The address asked for is in no pool. */
  | 'AddressOutsidePools'
  /** The address asked for is in another pool than the one asked for. */
  | 'AddressInOtherPool'
  | 'AddressesInDifferentPools'
  /** The address asked for ends in .0 or .255, and its pool avoids these. */
  | 'AddressAvoided'
  | 'AddressInUse'
  /** An AddressClaim keeps the address asked for from it. */
  | 'AddressReserved'
  /** Somebody on the network claims the address asked for, who is no node of the cluster. */
  | 'AddressQuarantined'
  /** Another Service is just giving the address back; for a moment only. */
  | 'AddressBeingReleased';
