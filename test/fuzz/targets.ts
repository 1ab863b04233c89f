/** The list of all targets, in the order of a run. */
import type { Target } from "./target.ts";
import {
  domainListTarget,
  ipTarget,
  mailboxTarget,
  matchListTarget,
  srsTarget,
  storedTarget,
} from "./targets/addresses.ts";
import { arcTarget } from "./targets/arc.ts";
import { policyTarget, socketmapTarget, tcpTableTarget } from "./targets/decoders.ts";
import { dkimBodyTarget, dkimKeyTarget, dkimMessageTarget, dkimSignatureTarget } from "./targets/dkim.ts";
import { dmarcRecordTarget, dmarcTarget, fromTarget } from "./targets/dmarc.ts";
import { dnsNameTarget, dnsReplyTarget } from "./targets/dns.ts";
import { filterImportTarget, importTarget } from "./targets/imports.ts";
import { milterSessionTarget, milterTarget } from "./targets/milter.ts";
import { reportMailTarget, reportTextTarget } from "./targets/reports.ts";
import { spfRecordTarget, spfZoneTarget } from "./targets/spf.ts";
import {
  bounceTarget,
  configTarget,
  headerTarget,
  logLineTarget,
  resultsFieldTarget,
  secretsTarget,
  storeUrlTarget,
} from "./targets/texts.ts";

export const TARGETS: readonly Target[] = [
  tcpTableTarget,
  socketmapTarget,
  policyTarget,
  milterTarget,
  milterSessionTarget,
  dnsReplyTarget,
  dnsNameTarget,
  srsTarget,
  storedTarget,
  mailboxTarget,
  domainListTarget,
  matchListTarget,
  ipTarget,
  headerTarget,
  resultsFieldTarget,
  logLineTarget,
  configTarget,
  secretsTarget,
  storeUrlTarget,
  importTarget,
  filterImportTarget,
  bounceTarget,
  spfRecordTarget,
  spfZoneTarget,
  dkimSignatureTarget,
  dkimKeyTarget,
  dkimBodyTarget,
  dkimMessageTarget,
  arcTarget,
  fromTarget,
  dmarcRecordTarget,
  dmarcTarget,
  reportTextTarget,
  reportMailTarget,
];
