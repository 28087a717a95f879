"""Where in a message a check looks: the words of a finding's place, and the names under which a value is shown live."""
from __future__ import annotations

CODE_CR = "/Envelope/Body/RESULTAT/CR/CodeCR"
INSACTIF = "/Envelope/Body/RESULTAT/INDIVIDU/INSACTIF"
TIQ = "/Envelope/Body/RESULTAT/INDIVIDU/TIQ"
VERIFIED = "/Envelope/Body/REPUnitaire/Resultat"
LOT_RESULT = "/Envelope/Body/REPLot/Resultat"
TO_VERIFY = "/Envelope/Body/RequeteUnitaire/IndividuVerifie"
GIVEN, GIVEN_FIRST_NAMES = f"{TO_VERIFY}/INSFourni", f"{TO_VERIFY}/TraitsIdentiteIndividu/Prenom"
LOT_GIVEN = "/Envelope/Body/RequeteLot/IndividuVerifie/INSFourni"
NAME_ID = "wsse:Security : NameID"

PATIENT_ROLE = "/ClinicalDocument/recordTarget/patientRole"
CDA_PATIENT = f"{PATIENT_ROLE}/id"
CDA_FIRST_NAME = f"{PATIENT_ROLE}/patient/name/given[@qualifier='BR']"
CDA_BODY = "/ClinicalDocument/component/nonXMLBody/text"
CDA_MEDIA, CDA_REPRESENTATION = f"{CDA_BODY}/@mediaType", f"{CDA_BODY}/@representation"
VIHF_PATIENT = "wsse:Security : resource-id"
SET_PATIENT = "SubmissionSet : ExternalIdentifier patientId"
ENTRY_PATIENT = "DocumentEntry : ExternalIdentifier patientId"
EXISTENCE_PATIENT = "PRPA_IN201307UV02 : patientIdentifier"

XDM_PATIENT = "METADATA.XML : ExternalIdentifier patientId"
XDM_URI = "METADATA.XML : Slot URI"
ATTACHMENTS = "pièces jointes"
SUBJECT, MESSAGE_ID, RCPT_TO = "Subject", "Message-ID", "RCPT TO"
X_MSS_INS, X_MSS_NIL, X_MSS_CODECDA = "X-MSS-INS", "X-MSS-NIL", "X-MSS-CODECDA"
STARTTLS, AUTH, CERTIFICATE = "STARTTLS", "AUTH", "STARTTLS : certificat client"

RESPONSE_TYPE, GRANT_TYPE, ACR_VALUES = "response_type", "grant_type", "acr_values"

IDENTITIES = "identités"

#: In the JSON of our own doors, where the message itself is the gateway's.
OWN_MATRICULE, OWN_PDF, OWN_RECIPIENTS = "patient.matricule", "document.pdf_base64", "destinataires"
DECIDED = "identite.ins.matricule"
OWN_TRAITS = {
    "birth_name": "patient.nom_naissance", "first_name": "patient.prenoms", "birth_date": "patient.date_naissance",
    "sex": "patient.sexe", "birth_place": "patient.lieu_naissance",
}  # fmt: skip
