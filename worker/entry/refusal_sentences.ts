// One sentence for operators for each reason of refusals.ts, for docs/refusals.md and the command
// line. Nothing that runs in the worker imports it, so that it takes no place in the bundle.
import type { Reason } from '../refusals.ts'

export const SENTENCES: Readonly<Record<Reason, string>> = {
  // Requests
  bad_encoding: 'The request has bytes that are not valid UTF-8, or a broken percent-encoding.',
  bad_host: 'The Host header is not the name or address of a host.',
  body_too_large: 'The body is longer than this endpoint reads.',
  duplicate_parameter: 'A parameter comes more than once, and may come once.',
  missing_parameter: 'A parameter that this endpoint or grant needs is not there or empty.',
  no_json_object: 'The body is not JSON, or not a JSON object.',
  nul_in_parameter: 'A parameter, the address or the body contains NUL.',
  parameter_too_long: 'A parameter is longer than its limit.',
  parameters_in_query:
    'Parameters came in the address and belong into the body, so that none is logged.',
  query_too_large: 'The query string is longer than 64 KiB.',
  request_too_long:
    'The authorization request is too long to be kept in an address: push it (PAR).',
  unsupported_content_type: 'The Content-Type is not the one that this endpoint reads.',
  wrong_method: 'The endpoint exists, but not with this HTTP method.',

  // Pages
  own_name_refused:
    'A person wanted to remove the address that mails go to, to let mails go to one that is not proven, or to add one too many.',
  address_limited: 'A person asked for too many mails to new addresses; it may wait for minutes.',
  address_link_dead:
    'A mailed link about an address was used, is too old, or the account was changed meanwhile.',
  address_taken: 'The address that a link gives to an account is that of another account by now.',
  csrf_fetch_site: 'The browser says that the form was sent from another site.',
  csrf_no_cookie:
    'A form came without the cookie that it is bound to: cookies are off, or it is old.',
  csrf_origin:
    'The Origin of the form is not this service: it was sent from elsewhere, or ISSUER is wrong.',
  csrf_token: 'The form was made for another session or browser, or was changed.',
  factor_code_wrong:
    'The first code of a new authenticator app does not fit the key that was shown.',
  factor_name: 'The name is empty, has more than 60 characters, or has some that cannot be seen.',
  factor_setup_expired:
    'The key that was shown is too old, is not the one of this person, or ten factors are there.',
  mail_code_limited: 'A person asked for more than five codes by mail in a window.',
  factor_link_dead:
    'The link that puts back a factor which an operator removed was used, or is older than a day.',
  invitation_dead:
    'The invitation was used or taken back, has run out, was sent again since with another link, or the link is none.',
  transfer_dead:
    'The link of an offered place was used or taken back, or has run out. The place can be offered again.',
  transfer_powerless:
    'The one who offered a place was disabled, recovered the account or lost power since, or a device of it is in another place by now. Nothing was changed.',
  claim_code_dead:
    'The code of a device is none, was used or taken back or has run out; or the device is not unclaimed, or people do not claim devices of its type.',
  claim_code_maker:
    'The one who made the code of a device was disabled, recovered the account or lost power over the device since. Nothing was changed.',
  claim_code_place:
    'A person may not put devices into the place that was chosen, or it is gone, or the role of owners is. Nothing was changed.',
  inviter_powerless:
    'The one who invited was disabled, recovered the account or lost power since, or what the invitation gives is gone. Nothing was given.',
  last_operator:
    'A person who wants to close the own account is the last one who holds the role operator on everything for good, so that nobody could run the system.',
  factor_demanded:
    'The second factor is the last one of a person of whom the setting `require_factor`, a group or a role demands one.',
  last_way_in:
    'The passkey is the only one of a person without a password, and stays until there is another way in.',
  passkey_algorithm:
    'The key of the new passkey is not ES256, Ed25519 or RS256, or is no valid key.',
  passkey_backup_state:
    'The passkey says about its backup what cannot be, or not the same as when it was added.',
  passkey_challenge:
    'The passkey answers a page of another browser or step, one older than five minutes, or one answered before.',
  passkey_disabled: 'The passkey is right, and its account is disabled.',
  passkey_malformed:
    'The response of a passkey is too large, cannot be read, or is of another kind.',
  passkey_many:
    'The person has ten factors already, or ISSUER is an address, to which passkeys cannot be bound.',
  passkey_origin:
    'The passkey was used at another origin or in a frame: somebody imitates the pages, or ISSUER is wrong.',
  passkey_outrun:
    'The passkey was right, but the response, the passkey or the account was used or changed at that moment.',
  passkey_rolled_back:
    'The passkey counts its uses and showed no later count than before: it may have been copied.',
  passkey_rp_id: 'The passkey is bound to another host than that of ISSUER.',
  passkey_signature: 'The signature of the passkey is not that of its key.',
  passkey_taken:
    'The new passkey is there already, for this person or another, its page was answered before, or the session ended.',
  passkey_unknown:
    'Nobody has this passkey, another person has it, or it was removed; browsers may still offer it.',
  passkey_unverified:
    'The authenticator did not check the person (by PIN, finger or face) where that is demanded.',
  password_link_expired:
    'The link to a new password is older than an hour: make another one (`allauth user reset EMAIL`).',
  password_link_unknown:
    'The link to a new password is not whole, or a newer one took its place, or its user is deleted.',
  password_link_used:
    'The link to a new password was used. If the person did not do that, somebody else read it.',
  profile_outrun:
    'The person saved the own profile while somebody else changed the account, or signed out meanwhile.',
  present_password_wrong:
    'A person who is signed in typed another present password than the stored one.',
  recovery_limited:
    'Too many links to a new password were asked for from this address; it may wait for minutes.',
  second_factor_limited:
    'Too many wrong codes for this person, whoever sent them; it may wait for minutes.',
  second_factor_refused:
    'The code is not that of an authenticator app of the person, or no recovery code, or was used before.',
  setup_link_dead:
    'The set-up link was used, is older than an hour, or there is an operator already.',
  sign_in_ended:
    'The time between password and second factor was too long, or the account was changed meanwhile.',
  link_limited: 'Too many links were asked for from this network address; it may wait for minutes.',
  sign_in_link_dead:
    'A link that signs in was used, is older than ten minutes, or its account changed.',
  sign_in_link_elsewhere:
    'A link that signs in was opened in another browser than the one that asked.',
  sign_in_links_off: 'The setting sign_in_links is off.',
  sign_in_limited:
    'Too many failed sign-ins for this account or from this address; it may wait for minutes.',
  sign_in_refused:
    'No active account has this e-mail address and password; the event login.failed says which.',
  sign_up_limited:
    'Too many accounts were asked for from this network address; it may wait for minutes.',
  sign_up_link_dead:
    'A link to a new account was used, is older than a day, or sign-up is off by now.',
  sign_up_off: 'The setting sign_up is off.',
  unknown_action: 'A form was sent without one of its buttons.',
  user_code_limited: 'Too many wrong codes of devices from this person or address.',
  user_code_refused:
    'The code that the person typed is of no device that waits, or was answered already.',

  // Client authentication
  assertion_alg:
    'The assertion is signed with an algorithm that the client or its profile may not use.',
  assertion_audience:
    'The assertion has an audience other than this issuer: compare `aud` with ISSUER.',
  assertion_expired:
    'The assertion is signed rightly but its `exp` has come: made too long ago, or a clock is wrong.',
  assertion_issued_ahead:
    '`iat` of the assertion lies in the future: the clock of its signer is ahead.',
  assertion_issuer: '`iss` or `sub` of the assertion is not the one who has to sign it.',
  assertion_jti: 'The assertion has no usable `jti`, by which it is known to be used once.',
  assertion_lives_too_long:
    '`exp` of the assertion is too far ahead: more than 5 minutes for a client or device, an hour for an issuer.',
  assertion_not_yet_valid:
    'The assertion is signed rightly but its `nbf` lies in the future: the clock of its signer is ahead.',
  assertion_replayed:
    'The assertion was used before; each is good once. Or it is older than the restore of a backup.',
  assertion_typ: '`typ` in the header of the assertion is that of some other kind of JWT.',
  bad_assertion:
    'The assertion is not a JWT, names nobody, or has a header member of the wrong type.',
  bad_assertion_type:
    '`client_assertion_type` is missing or not jwt-bearer, or the assertion itself is missing.',
  bad_authorization_header: 'The Authorization header is not Basic, or cannot be decoded.',
  bad_client_id: 'The client id has a form that no client here can have.',
  bad_signature: 'No registered key of the signer made this signature, or the JWT is malformed.',
  certificate_not_registered:
    'The client certificate is none of the keys that the client registered; that of a device is no credential of it, and no authority of this name vouches for such devices.',
  certificate_not_signed:
    'A registered authority has the name of the issuer of the certificate of a device, and did not sign it; or that authority has run out.',
  certificate_not_taken:
    'The certificate of a device was seen for the first time, and the type of the device takes none (credential_kinds), or device or authority were changed at that moment.',
  certificate_of_another:
    'A registered authority may have signed the certificate, and it names another device. Look at `names` of the authority: ids or serial numbers.',
  certificate_over:
    'The certificate of a device has run out or does not count yet, by its own times, by an end that an operator set, or by a demand for another key.',
  certificate_revoked: 'This certificate was revoked for the device.',
  certificate_unreadable:
    'The certificate of a device is not well-formed (RFC 5280), or has a critical extension that is not known here.',
  certificate_usage:
    'The certificate of a device is not for TLS clients, by its key usage, or is that of an authority.',
  certificates_many: 'A device has twenty live certificates of one authority already.',
  chain_not_verified:
    'The proxy did not verify the client certificate up to an authority that it trusts.',
  client_disabled: 'The client is disabled.',
  client_id_mismatch: '`client_id` in the body is another than that of the client authentication.',
  device_not_active: 'The device is suspended or retired.',
  claim_token: 'A device came with a claim token that does not exist.',
  claim_over:
    'The claim token was revoked, has run out or has no use left; or its device type takes no keys any more, or its place is gone.',
  claim_powerless:
    'The maker of the claim token was disabled since, or holds the power no more that it gives to devices.',
  claim_not_listed: 'The claim token is limited to serial numbers, and the device has another one.',
  claim_other_type:
    'The device is registered ahead with another type than the claim token has, or with metadata that its maker may not give.',
  claim_again:
    'A device with this hardware id is registered, and the key that signed is not one of its own; or it was released and the claim token does not reset devices; or it is suspended, retired or deleted.',
  claim_proof:
    'The proof of a claim is no device-claim+jwt that the key in its header signed for this issuer, with hardware_ids, exp and jti.',
  claim_clock:
    'The proof of a claim is not in time. The answer told the device the time of this server.',
  claim_proof_used: 'The proof of a claim was used before: each is good once.',
  device_unclaimed:
    'The device is registered, but nobody has claimed it yet: it gets no token for topics.',
  device_without_proof: 'A device came without secret and without assertion.',
  jwks_uri_bad_url: 'The `jwks_uri` of the client is no usable https address.',
  jwks_uri_no_jwk_set: 'The document at the `jwks_uri` of the client is not a JWK Set.',
  jwks_uri_not_text: 'The answer of the `jwks_uri` of the client is not valid UTF-8.',
  jwks_uri_private_address:
    'The `jwks_uri` of the client leads to a private address (ALLOW_PRIVATE_ADDRESSES).',
  jwks_uri_redirect: 'The `jwks_uri` of the client answers with a redirect, which is not followed.',
  jwks_uri_status:
    'The `jwks_uri` of the client answers with another status than 200; `cause` says which.',
  jwks_uri_timeout: 'The `jwks_uri` of the client does not answer in time.',
  jwks_uri_too_large: 'The document at the `jwks_uri` of the client is too large.',
  jwks_uri_unreachable: 'The `jwks_uri` of the client cannot be reached.',
  method_of_profile: 'The client has the FAPI profile, which allows private_key_jwt alone.',
  no_certificate:
    'The client needs a TLS client certificate and the connection has none: look at the proxy.',
  no_credentials: 'The request names no client at all.',
  no_such_key: 'No registered key fits the `kid` and `alg` of the assertion.',
  other_certificate_name:
    'The name in the client certificate is not the one that the client registered.',
  other_method_registered: 'The client is registered for another `token_endpoint_auth_method`.',
  public_client: 'The client has no secret and no key, and this needs a client that authenticates.',
  several_methods: 'The request authenticates the client in more than one way.',
  unknown_client:
    'No client or device has this id, or the document at its address is not usable; for pages, also a client that is disabled.',
  unfinished_requests_per_address:
    'Too many sign-ins or device codes were begun from this address and not finished (settings unfinished_requests_per_address, request_ttl).',
  too_many_wrong_secrets:
    'Too many wrong secrets of this client or device came from this address (settings secret_attempts_per_address, login_attempts_window).',
  wrong_secret: 'The secret is not that of the client or device, or it has run out.',

  // Proofs of possession
  bound_otherwise: 'The client binds its tokens to its certificate, and sent a DPoP proof.',
  bound_token_as_bearer: 'The token is bound to a DPoP key and was sent as a mere bearer token.',
  dpop_jkt: 'The proof has another key than the authorization request named in `dpop_jkt`.',
  key_of_another: 'The token is bound to another key than the request proves.',
  no_jwt: 'The DPoP header is not one JWT, or a member of its header has the wrong type.',
  no_nonce: 'The DPoP proof has no nonce; the client takes the one of the answer and tries again.',
  no_proof: 'A DPoP proof is needed and none was sent.',
  old_nonce:
    'The nonce of the DPoP proof has run out; the client takes the new one and tries again.',
  other_certificate: 'The token is bound to another certificate than the connection has.',
  proof_alg: 'The DPoP proof is signed with an algorithm that is not allowed.',
  proof_ath: 'The DPoP proof is for another access token.',
  proof_expired: 'The DPoP proof is signed rightly but its `exp` has come.',
  proof_htm: 'The DPoP proof is for another HTTP method.',
  proof_htu: 'The DPoP proof is for another address: compare `htu` with ISSUER and the path.',
  proof_iat: 'The DPoP proof has no `iat`.',
  proof_issued_ahead:
    '`iat` of the DPoP proof is more than a minute ahead: the clock of the client is wrong.',
  proof_jti: 'The DPoP proof has no usable `jti`.',
  proof_key:
    'The key in the header of the DPoP proof is missing, private, or unfit for its algorithm.',
  proof_not_yet_valid:
    '`nbf` of the DPoP proof lies in the future: the clock of the client is ahead.',
  proof_replayed:
    'The DPoP proof was used before; each is good once. Or it is older than the restore of a backup.',
  proof_too_long: 'The DPoP proof is longer than 8 KiB.',
  proof_too_old:
    '`iat` of the DPoP proof is more than 5 minutes ago: kept too long, or a clock is behind.',
  unbound_token_as_dpop: 'The token is bound to no key and was sent with the scheme DPoP.',

  // Authorization requests
  acr_not_met: 'The client demands a stronger sign-in than this person can do here.',
  bad_code_challenge: '`code_challenge` is not a SHA-256 in base64url.',
  bad_dpop_jkt: '`dpop_jkt` is not a SHA-256 thumbprint.',
  bad_id_token_hint: '`id_token_hint` is no ID token of this issuer, or not one of this client.',
  bad_max_age: '`max_age` is not a number of seconds.',
  challenge_method: '`code_challenge_method` is not S256.',
  claim_form: 'A member of `claims` asks for a claim in a form that it may not have.',
  claims_member: '`userinfo` or `id_token` in `claims` is not an object.',
  claims_no_object: '`claims` is JSON but not an object.',
  claims_not_json: '`claims` is not JSON.',
  foreign_resource: 'The client may not name this `resource`.',
  no_client_id: '`client_id` is missing.',
  no_code_challenge: 'The client has to use PKCE and sent no `code_challenge`.',
  no_redirect_uri: '`redirect_uri` is missing, and the client has more than one or must say it.',
  no_response_type: '`response_type` is missing.',
  not_pushed: 'The client or the settings demand that requests are pushed (PAR).',
  other_than_hinted: 'Another person signed in than the client asked for.',
  prompt_none_mixed: '`prompt` has none beside another value.',
  push_by_device: 'A device pushed an authorization request; there is nobody to ask for it.',
  pushed_request_uri: 'A pushed request holds a `request_uri` of its own.',
  redirect_uri_mismatch:
    'The address to go back to is none that the client registered, letter by letter.',
  request_unknown:
    'The sign-in or sign-out that this belongs to has ended, ran out, or was answered already.',
  response_mode: '`response_mode` is not one that a code can be sent by.',
  response_type: '`response_type` is not code.',
  silent_acr: 'With prompt=none the person would have to sign in anew.',
  silent_consent:
    'With prompt=none the person would have to be asked: nothing was allowed yet, the client changed since, or any program may be it (public, at a loopback address or a scheme of its own).',
  silent_login: 'With prompt=none nobody is signed in.',
  silent_requirement:
    'With prompt=none the person lacks something: a consent, a field of the profile, another password.',
  too_many_resources: 'The request names too many resources.',
  unknown_prompt: '`prompt` has a value that is not supported.',

  // Request objects
  no_request_object: 'The client has to sign its requests, and sent one without request object.',
  object_alg: 'The request object has an algorithm that the client may not use.',
  object_aud: '`aud` of the request object is not this issuer.',
  object_claim: 'A claim of the request object cannot be a parameter.',
  object_client: '`client_id` in the request object is another than outside.',
  object_expired: 'The request object is signed rightly but its `exp` has come.',
  object_iss: '`iss` of the request object is not the client.',
  object_lives_too_long:
    'A request object of a FAPI client needs `nbf` and `exp`, an hour apart at most.',
  object_nested: 'The request object names another request object.',
  object_not_yet_valid:
    'The request object is signed rightly but its `nbf` lies in the future: a clock is wrong.',
  object_response_type: '`response_type` in the request object is another than outside.',
  object_signature:
    'The request object is signed by no registered key of the client, or is malformed.',
  object_sub: '`sub` of the request object is the client, as in an assertion.',
  object_typ: '`typ` of the request object is that of some other kind of JWT.',
  object_unreadable:
    'The request object is not a JWT, or a member of its header has the wrong type.',
  request_objects_per_address:
    'Too many request objects were fetched for this address within an hour.',
  request_uri_mismatch: 'The `request_uri` is none that the client registered.',
  request_uri_not_fetched: 'The `request_uri` could not be fetched; `cause` says why.',
  request_uri_status: 'The `request_uri` answers with another status than 200.',
  several_request_objects:
    'The request has both `request` and `request_uri`, or one of them twice.',

  // Scope, audience, details, rules
  bad_resource: '`resource` is not an absolute URI without fragment.',
  bad_scope_syntax: '`scope` has characters that a scope may not have.',
  details_form: '`authorization_details` has a form other than the documented one.',
  details_no_json: '`authorization_details` is not JSON.',
  details_not_covered:
    'The authorization does not cover the `authorization_details` that are asked for.',
  details_not_offered: 'This grant takes no `authorization_details`.',
  details_type_not_registered:
    'The client is not registered for this type of `authorization_details`.',
  device_scope: 'A device asked for another scope than mqtt and self.',
  format_without_mqtt:
    'The client has another `access_token_format` than jwt, and mProxy reads JWTs alone.',
  identity_scope: 'A client asked for itself for a scope that is about a person.',
  management_scope_mixed: 'Scopes of the management API were asked for together with others.',
  mqtt_not_covered:
    'A token for MQTT was asked for, and the tokens that were shown do not reach it.',
  no_common_scope: 'There is no scope that all parties of the exchange have.',
  no_management_role: 'The subject holds no role that gives the management scopes.',
  no_scope: 'The request has no scope.',
  no_scope_left: 'The client is registered for no scope that this token could have.',
  power_not_held: 'The one who acts or who is asked does not hold the rights that this would give.',
  resource_not_covered: 'The authorization does not cover this resource.',
  resource_not_registered: 'The client is not registered for this resource or audience.',
  scope_not_covered: 'The token or authorization behind the request does not have this scope.',
  rotation_not_proven:
    'A device wanted to take another key, and no key that it has now signed for the new one: the signature, `aud`, `jkt` or the times of the proof are not right.',
  scope_not_held:
    'The access token does not have the scope that this route of the management API needs.',
  scope_not_registered: 'The client is not registered for this scope.',
  several_audiences: 'A PASETO has one audience and several were asked for.',
  shared_audience: 'MQTT and the management API share a token with no other resource.',
  token_too_large:
    'The token would be too long, by its access rules: grant on groups instead of single devices.',
  too_many_rules:
    'The subject has, or would have, more access rules than acl_max_rules or 8 KiB permit: grant on groups, or name the house by ${site.id}.',
  unknown_scope: 'No scope of the request means anything, to this server or to the client.',

  // Grants
  actor_ended: 'The actor token belongs to nobody who may act any more.',
  actor_is_device: 'The actor token is that of a device, which acts for nobody.',
  actor_token_bound: 'The actor token is bound to a key that the request does not prove.',
  actor_token_detailed: 'An actor token with `authorization_details` cannot be exchanged.',
  actor_token_invalid: 'The actor token is no good access token of this issuer.',
  actor_token_of_others:
    'The actor token was issued to another client, or acts for somebody already.',
  actor_type: '`actor_token_type` is not that of access tokens.',
  assertion_not_consumed:
    'The assertion was used before, or what the person allowed changed in the same moment.',
  assertion_subject: 'The assertion of the issuer has no `sub`.',
  assertion_too_long: 'The assertion is longer than 16 KiB.',
  bad_key: 'A key in the key set of the issuer cannot be used.',
  code_expired: 'The code has run out: it lives for seconds, as the settings say.',
  code_not_consumed: 'Another request redeemed the code at the same moment.',
  code_of_another_client: 'The code was issued to another client.',
  code_reused: 'The code was redeemed before; what it gave is revoked.',
  device_code_denied: 'The person denied the device.',
  device_code_expired: 'The device code has run out; the device begins anew.',
  device_code_not_consumed: 'Another request redeemed the device code at the same moment.',
  session_ended:
    'The person signed out of the browser session from which the code came, or was signed out, before it was redeemed.',
  disabled_since:
    'The account or the client was disabled after this was issued. Enabling brings nothing back: the person signs in again.',
  device_code_not_decided:
    'The device code counts as allowed but holds no person: its row was changed by hand.',
  device_code_of_another_client: 'The device code was issued to another client.',
  device_code_pending: 'The person has not decided yet; the device goes on asking.',
  device_code_reused: 'The device code was redeemed before.',
  grant_type_not_registered:
    'The client is not registered for this grant type, or a device has only one.',
  issuer_keys: 'The keys of the trusted issuer could not be fetched; `cause` says why.',
  issuer_not_for_client: 'The trusted issuer is not for this client (setting trusted_issuers).',
  may_act: 'The subject token names another in `may_act` than the one who acts.',
  not_a_client: 'A device used a grant that is for clients.',
  not_allowed_before:
    'The person has not allowed the client this scope, and is not there to be asked.',
  requirement_open:
    'The person lacks something first (a consent, a field of the profile, another password), and is not there to be asked.',
  other_redirect_uri: '`redirect_uri` is another than in the authorization request.',
  polled_too_soon: 'The device asks more often than it was told to.',
  refresh_token_expired: 'The authorization behind the refresh token has run out.',
  refresh_token_idle: 'The refresh token was not used for longer than refresh_token_idle_ttl.',
  refresh_token_of_another_client: 'The refresh token was issued to another client.',
  refresh_token_revoked: 'The authorization behind the refresh token was revoked.',
  refresh_token_stray:
    'The refresh token was replaced before: used twice, or copied. A second use revokes its family.',
  requested_type: '`requested_token_type` is not that of access tokens.',
  subject_ended: 'The authorization or account behind the subject token has ended.',
  subject_is_device: 'The subject token is that of a device, which only speaks for itself.',
  subject_token_bound: 'The subject token is bound to a key that the request does not prove.',
  subject_token_invalid: 'The subject token is no good access token of this issuer.',
  subject_token_of_others: 'The subject token was not made for this client.',
  subject_type: '`subject_token_type` is not that of access tokens.',
  unknown_code: 'There is no such code; spent codes are forgotten after a while.',
  unknown_device_code: 'There is no such device code; old ones are forgotten after a while.',
  unknown_grant_type: 'This grant type is not offered.',
  unknown_issuer: 'The assertion is of no issuer in the setting trusted_issuers.',
  unknown_person: 'The assertion names nobody who has an account here.',
  unknown_refresh_token: 'There is no such refresh token; old ones are forgotten after a while.',
  user_not_usable: 'The account is disabled or gone.',
  wrong_code_verifier:
    '`code_verifier` does not fit the `code_challenge` of the request, or is missing.',

  // Access tokens
  bad_header: 'The Authorization header is not of the form that its scheme has.',
  client_for_client:
    'The token lets one client act for another, which the management API does not take.',
  no_openid: 'The token has no scope openid, which userinfo needs.',
  no_token: 'No token was sent.',
  not_our_token:
    'The token is no access token of this issuer: another issuer or kind, a key that is gone, or damaged.',
  origin_ended: 'The authorization, account, client or device behind the token has ended.',
  several_tokens: 'The access token came twice, in the header and in the body.',
  token_expired: 'The access token is right but has run out; the client gets a new one.',
  token_for_others: 'The access token is for another audience than this endpoint.',
  token_of_device:
    'The token is that of a device, which the management API takes at /v1/self alone, with the scope self.',

  // Registration and client documents
  bad_client_metadata: 'Members of the client metadata are wrong; the answer names them.',
  changed_meanwhile: 'Others changed the client at the same time; the client tries again.',
  document_bad_url: 'The client id is an address that cannot be fetched.',
  document_content_type: 'The document at the client id is not sent as JSON.',
  document_no_json_object: 'The document at the client id is not a JSON object.',
  document_not_text: 'The document at the client id is not valid UTF-8.',
  document_other_client_id: 'The document at the client id names another `client_id`.',
  document_private_address: 'The client id leads to a private address (ALLOW_PRIVATE_ADDRESSES).',
  document_redirect: 'The client id answers with a redirect, which is not followed.',
  document_status: 'The client id answers with another status than 200.',
  document_timeout: 'The client id does not answer in time.',
  document_too_large: 'The document at the client id is too large.',
  document_unreachable: 'The client id cannot be reached.',
  document_with_secret:
    'The document at the client id has a secret or a method that needs one; everybody can read it.',
  documents_per_address:
    'Too many client documents were asked for from this address within an hour.',
  first_party_client: 'A first-party client is changed by operators alone.',
  initial_access_token_expired: 'The initial access token has run out.',
  initial_access_token_used_up:
    'The initial access token was used as often as it may be, or whoever made it was disabled since or holds no more what it gives.',
  not_registered_by_itself:
    'The client does not exist, or did not register itself and so has no registration token.',
  other_registration_token: 'The registration access token is not that of this client.',
  registration_off: 'Registration is off (setting registration).',
  registrations_per_address: 'Too many clients were registered from this address.',
  unknown_initial_access_token: 'There is no such initial access token.',

  // Logout
  hint_of_another_client: '`id_token_hint` was issued to another client than `client_id` names.',
  redirect_without_client:
    'An address to go back to came without a client to whom it could belong.',

  // The service itself
  bug: 'Something unforeseen failed; `cause` and `stack` say what. Please report it.',
  database_unavailable: 'The database refused or did not answer; `cause` has its words.',
  sealed_with_another_key:
    'Something in the database was sealed with a SECRET_KEY that this server has not; docs/keys.md says what to do.',

  // Problems of the management API: the answer itself tells the caller more
  conflict: 'The change contradicts what is there, or something changed at the same time.',
  forbidden:
    'The token has no scope for this, or the one who acts holds less than this would give.',
  idempotency_mismatch: 'An Idempotency-Key came again with another body.',
  internal: 'Something unforeseen failed.',
  invalid_request: 'The request does not have the described form; the answer names what is wrong.',
  not_found: 'There is no such thing.',
  precondition_failed: 'If-Match names another version than there is.',
  too_large: 'The body is too large.',
  too_many_requests: 'There were too many requests; the answer says how long to wait.',
  unauthorized: 'The access token is missing or not good.',
  unavailable: 'The service cannot work for the moment.',
  unsupported_media_type: 'The Content-Type is not one that the route takes.',
}
