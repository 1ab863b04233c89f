/** All options of OpenARC: those of openarc.conf(5) of 1.3, and those that earlier versions have. */
import { type KnownOptions, lacking, NEEDLESS, TAKEN } from "./milter-options.ts";

const FIELDS = "seals cover the fields of our signatures (dkim.sign.headers, dkim.sign.oversign)";
const ONLY_TESTS = "it is for tests of OpenARC";
const ONE_KEY = "one key seals, that of arc.domain";
const RESPONSE = "milter.on_error says what becomes of mail after an internal error";

export const OPENARC_OPTIONS: KnownOptions = {
  AuthResComments: NEEDLESS.flag,
  AuthResIP: NEEDLESS.flag,
  AuthservID: TAKEN.text,
  AutoRestart: NEEDLESS.flag,
  AutoRestartCount: NEEDLESS.number,
  AutoRestartRate: NEEDLESS.text,
  Background: NEEDLESS.flag,
  BaseDirectory: NEEDLESS.text,
  Canonicalization: lacking("text", "seals are relaxed/relaxed always"),
  ChangeRootDirectory: lacking("text", "the unit confines the service; paths in this file are taken as they stand"),
  Domain: TAKEN.text,
  EnableCoredumps: NEEDLESS.flag,
  FinalReceiver: lacking(
    "flag",
    "the domains of a chain are not in the results; arc.trusted_sealers has those that are believed",
  ),
  FixedTimestamp: lacking("text", ONLY_TESTS),
  Include: TAKEN.text,
  InternalHosts: lacking(
    "text",
    "whose mail is ours is said by milter.internal; mail of ours is signed and not sealed",
  ),
  KeepTemporaryFiles: NEEDLESS.flag,
  KeyFile: TAKEN.text,
  KeyTable: lacking("text", ONE_KEY),
  MaximumHeaders: lacking("number", "milter.max_header_bytes is the limit"),
  MilterDebug: NEEDLESS.number,
  MinimumKeySizeRSA: lacking(
    "number",
    "seals of RSA keys of 1024 bits or more count; dkim.min_key_bits wants more for signatures and seals",
  ),
  Mode: TAKEN.text,
  OversignHeaders: lacking("text", FIELDS),
  PeerList: lacking("text", "milter.skip would leave such mail out of DKIM and DMARC, too"),
  PermitAuthenticationOverrides: lacking("flag", "a result that a message brings is never believed"),
  PidFile: NEEDLESS.text,
  RequireSafeKeys: NEEDLESS.flag,
  ResponseDisabled: lacking("text", RESPONSE),
  ResponseUnable: lacking("text", RESPONSE),
  ResponseUnwilling: lacking("text", RESPONSE),
  SealHeaderChecks: lacking("text", 'mail is sealed by its way (arc.seal = "forwarded"), not by its fields'),
  Selector: TAKEN.text,
  SignatureAlgorithm: NEEDLESS.text,
  SignatureTTL: lacking("number", "seals have no end"),
  SignHeaders: lacking("text", FIELDS),
  SigningTable: lacking("text", ONE_KEY),
  Socket: TAKEN.text,
  SoftwareHeader: NEEDLESS.flag,
  Syslog: NEEDLESS.flag,
  SyslogFacility: NEEDLESS.text,
  TemporaryDirectory: NEEDLESS.text,
  TestKeys: lacking("text", ONLY_TESTS),
  UMask: NEEDLESS.number,
  UserID: NEEDLESS.text,
};
