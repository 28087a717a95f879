"""What whoever opens the folder of certificates reads first."""
from __future__ import annotations

FILE_NAME = "LISEZMOI.md"

TEXT = """\
# Certificats du bac à sable Socle

Rien ici n'est réel : autorités, structures et professionnels sont fictifs, et tous les noms d'autorité disent SANDBOX. Ne posez
ces autorités dans aucun magasin de confiance d'une machine qui sert à autre chose. Guide : docs/certificats.md.

| fichier | pour quoi faire |
| --- | --- |
| `ca.pem`, `truststore.p12` | magasin de confiance du DUI : l'autorité émettrice et la racine |
| `root.pem`, `issuing.pem` | la racine ; l'émettrice des organisations |
| `persons.pem` | l'émettrice des personnes, faite à la première demande |
| `crl.pem`, `crl-persons.pem` | listes de révocation : organisations puis racine ; personnes |
| `server.pem`, `server.key` | certificat des portes et des services simulés |
| `<FINESS>.auth_cli.*` | AUTH_CLI de la structure, CN INSI-AUTO : ouvre le TLS vers INSi, le DMP, les boîtes applicatives |
| `<FINESS>.auth_manu.*` | AUTH_CLI de la structure, CN INSI-MANU |
| `<FINESS>.sign.*` | SIGN de la structure : signe le VIHF et les lots du DMP |
| `refused-<raison>.*` | identités qu'un pair doit refuser, chacune pour une raison |
| `emis/` | ce que `socle sandbox pki issue` a émis : le nom dit pour qui, pour quoi faire, ou pourquoi c'est refusé |

Chaque identité a trois fichiers : `.pem` (le certificat seul), `.key` (la clé privée, sans mot de passe, lisible de vous seul) et
`.p12` (les deux, avec la chaîne ; PBES2/AES-256). Dans `emis/`, `.chaine.pem` est le certificat suivi de ses autorités. Le mot de
passe des P12 de ce dossier est dans `../sandbox.json` ; celui d'un P12 de `emis/` n'a été montré qu'à son émission.

Les `.key` des autorités permettent de tout émettre. `register.json` est le registre de ce qui est émis et révoqué : ne le
changez pas à la main, `socle sandbox pki list` le montre, `socle sandbox pki revoke` révoque.
"""
