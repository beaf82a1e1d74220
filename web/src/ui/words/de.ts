import type { Words } from '../words';

export const de: Words = {
    'problem.server-gone':
        'Die Verbindung zum Server ist verloren. Die Seite versucht es von selbst wieder; prüfen Sie Ihr Netz, wenn das so bleibt.',
    'problem.guests-refused':
        'Der Server lässt gerade keine Gäste ein. Die Seite versucht es von selbst wieder; fragen Sie den Betreiber, wenn das so bleibt.',
    'problem.no-focus':
        'Der Konferenzdienst antwortet gerade nicht. Die Seite versucht es von selbst wieder; wer verbunden ist, bleibt verbunden.',
    'problem.login-needed':
        'Diesen Raum öffnen nur Personen mit Konto. Warten Sie, bis eine von ihnen da ist, und versuchen Sie es dann wieder.',
    'problem.room-full': 'Dieser Raum ist voll. Warten Sie, bis jemand geht, und treten Sie dann wieder bei.',
    'problem.room-password':
        'Dieser Raum hat ein Passwort, nach dem diese Seite nicht fragen kann. Bitten Sie, den Raum zu öffnen.',
    'problem.room-members-only': 'Dieser Raum ist nur für seine Mitglieder. Bitten Sie, eingelassen zu werden.',
    'problem.room-name': 'Der Server nimmt diesen Raumnamen nicht an. Wählen Sie einen anderen.',
    'problem.room-closed': 'Dieser Raum wurde geschlossen.',
    'problem.refused': 'Der Server lässt Sie nicht in diesen Raum. Fragen Sie die Person, die Sie eingeladen hat.',
    'problem.kicked': 'Sie wurden von der Moderation aus diesem Meeting entfernt.',
    'problem.banned': 'Sie sind aus diesem Raum verbannt. Fragen Sie nach, wenn das ein Versehen ist.',
    'problem.no-bridge':
        'Der Medienserver antwortet gerade nicht: Sie bleiben im Raum, Ton und Bild kommen, wenn er zurück ist.',
    'problem.bridge-deaf':
        'Durch den Medienserver kommen gerade weder Ton noch Bild: Sie bleiben im Raum, beides kommt von selbst wieder.',
    'problem.bridge-draining':
        'Der Medienserver wird neu gestartet: Sie bleiben im Raum, Ton und Bild kommen gleich.',
    'problem.bridge-full':
        'Der Medienserver ist voll: Sie bleiben im Raum, Ton und Bild kommen, sobald wieder Platz ist.',
    'problem.media-interrupted':
        'Ton und Bild sind unterbrochen. Die Seite holt sie zurück; Sie bleiben im Raum.',
    'problem.media-failed':
        'Ton und Bild erreichen Sie durch Ihr Netz nicht. Die Seite versucht es wieder; vielleicht hilft ein anderes Netz.',
    'problem.chat-refused': 'Ihre Nachricht wurde nicht zugestellt. Senden Sie sie noch einmal.',
    'problem.audio-denied':
        'Der Browser gibt dieser Seite das Mikrofon nicht. Erlauben Sie es in der Adressleiste, und schalten Sie das Mikrofon dann ein.',
    'problem.audio-missing':
        'Es wurde kein Mikrofon gefunden. Sie hören die anderen; schließen Sie eines an und schalten Sie es ein, um zu sprechen.',
    'problem.audio-busy':
        'Das Mikrofon lässt sich nicht öffnen: vielleicht benutzt es ein anderes Programm. Schließen Sie dieses, und schalten Sie das Mikrofon dann ein.',
    'problem.audio-insecure':
        'Browser öffnen Mikrofone nur auf sicheren Seiten. Öffnen Sie diese Seite mit HTTPS, oder auf diesem Rechner als localhost.',
    'problem.audio-unplugged':
        'Das Mikrofon ist weg. Schließen Sie es oder ein anderes an, und schalten Sie das Mikrofon dann ein.',
    'problem.video-denied':
        'Der Browser gibt dieser Seite die Kamera nicht. Erlauben Sie sie in der Adressleiste, und schalten Sie die Kamera dann ein.',
    'problem.video-missing':
        'Es wurde keine Kamera gefunden. Die anderen hören Sie; schließen Sie eine an und schalten Sie sie ein, um gesehen zu werden.',
    'problem.video-busy':
        'Die Kamera lässt sich nicht öffnen: vielleicht benutzt sie ein anderes Programm. Schließen Sie dieses, und schalten Sie die Kamera dann ein.',
    'problem.video-insecure':
        'Browser öffnen Kameras nur auf sicheren Seiten. Öffnen Sie diese Seite mit HTTPS, oder auf diesem Rechner als localhost.',
    'problem.video-unplugged':
        'Die Kamera ist weg. Schließen Sie sie oder eine andere an, und schalten Sie die Kamera dann ein.',
    'problem.audio-replaced':
        'Das gewählte Mikrofon ist nicht mehr da: jetzt wird ein anderes benutzt. Wählen Sie eines unter Geräte.',
    'problem.video-replaced':
        'Die gewählte Kamera ist nicht mehr da: jetzt wird eine andere benutzt. Wählen Sie eine unter Geräte.',
    'problem.output-replaced':
        'Der gewählte Lautsprecher ist nicht mehr da: der Ton kommt jetzt aus dem voreingestellten.',
    'problem.screen-failed':
        'Der Bildschirm lässt sich nicht teilen. Erlauben Sie dem Browser in den Einstellungen des Systems die Aufnahme, und teilen Sie ihn dann noch einmal.',
    'problem.try-again': 'Noch einmal versuchen',
    'problem.close': 'Schließen',
    'sound.blocked': 'Der Browser hält den Ton zurück, bis Sie klicken.',
    'sound.allow': 'Ton einschalten',

    'refusal.not-allowed':
        'Der Server erlaubt das nicht: nur wer moderiert, darf das, und nicht alle lassen sich moderieren.',
    'refusal.forbidden': 'Der Server erlaubt das nicht: nur wer moderiert, darf das.',
    'refusal.item-not-found': 'Diese Person ist nicht mehr im Raum.',
    'refusal.remote-server-timeout': 'Der Server hat nicht rechtzeitig geantwortet. Versuchen Sie es noch einmal.',
    'refusal.other': 'Der Server hat das abgelehnt ({condition}).',
    'refusal.unknown': 'Das hat nicht geklappt. Versuchen Sie es noch einmal.',

    'start.bad-address':
        'Diese Adresse nennt keinen Raum: ein Name hat keine Leerzeichen, Schrägstriche, Anführungszeichen und keines von & < > : @. Wählen Sie einen anderen.',
    'start.title': 'Meeting beginnen oder beitreten',
    'start.room': 'Raum',
    'start.go': 'Los',
    'start.same-address': 'Alle, die dieselbe Adresse öffnen, sind im selben Meeting.',
    'door.name': 'Ihr Name',
    'door.join': 'Beitreten',
    'preview.title': 'Wie die anderen Sie sehen und hören werden',
    'preview.picture': 'Ihr Bild, wie im Spiegel',
    'preview.no-picture': 'Ihre Kamera ist aus',
    'door.devices': 'Der Browser fragt nach Kamera und Mikrofon; Sie können auch ohne beides beitreten.',
    'ended.removed': 'Das Meeting ist für Sie zu Ende',
    'ended.left': 'Sie haben das Meeting verlassen',
    'ended.reason': 'Angegebener Grund: {reason}',
    'ended.again': 'Wieder beitreten',
    'ended.other-room': 'Anderer Raum',
    'joining.first': 'Beitritt läuft …',
    'joining.again': 'Erneuter Beitritt läuft …',
    resuming: 'Verbindung wird wiederhergestellt …',

    'controls.bar': 'Steuerung des Meetings',
    'controls.mute': 'Mikrofon aus',
    'controls.unmute': 'Mikrofon an',
    'controls.stop-camera': 'Kamera aus',
    'controls.start-camera': 'Kamera an',
    'controls.share': 'Bildschirm teilen',
    'controls.stop-sharing': 'Nicht mehr teilen',
    'controls.unread': 'ungelesen',
    'controls.leave': 'Verlassen',
    'link.copy': 'Link kopieren',
    'link.copied': 'Link kopiert',
    'link.by-hand': 'Kopieren Sie diese Adresse',
    'link.done': 'Fertig',

    'panel.close': 'Bereich schließen',
    'people.title': 'Teilnehmende',
    'people.you': '{name} (Sie)',
    'people.moderator': 'Moderation',
    'people.change-name': 'Namen ändern',
    'people.save': 'Speichern',
    'people.mute': 'Stummschalten',
    'people.mute-name': '{name} stummschalten',
    'people.stop-camera': 'Kamera ausschalten',
    'people.stop-camera-name': 'Kamera von {name} ausschalten',
    'people.remove': 'Entfernen',
    'people.remove-name': '{name} entfernen',
    'chat.title': 'Chat',
    'chat.log': 'Was gesagt wurde',
    'chat.message': 'Nachricht',
    'chat.send': 'Senden',
    'chat.you': 'Sie',

    'devices.title': 'Geräte',
    'devices.camera': 'Kamera',
    'devices.microphone': 'Mikrofon',
    'devices.loudspeaker': 'Lautsprecher',
    'devices.default': 'Voreinstellung',
    'devices.numbered': '{device} {number}',
    'devices.level': 'Lautstärke des Mikrofons',
    'direct.label': 'Direkte Verbindung, wenn nur zwei hier sind (sie zeigt dem anderen Ihre Netzwerkadresse)',

    'tiles.pictures': 'Bilder',
    'tile.speaking': 'spricht',
    'tile.muted': 'stumm',
    'tile.screen': 'Bildschirm von {name}',
    'tile.own-screen': 'Ihr Bildschirm',
    'tile.pin': '{label} auf der Bühne halten',
    'tile.unpin': '{label} nicht mehr auf der Bühne halten',
    'view.stage': 'Bühne',
    'view.tiles': 'Kacheln',

    'quality.good': 'gute Verbindung',
    'quality.middling': 'mäßige Verbindung',
    'quality.poor': 'schlechte Verbindung',
    'statistics.title': 'Statistik',
    'statistics.explained': 'Die letzten zwei Minuten.',
    'statistics.none': 'Noch wird nichts gesendet oder empfangen.',
    'statistics.table': 'Als Tabelle',
    'statistics.caption': 'Jeder Strom jetzt, und zwischen welchen Werten er lag',
    'statistics.stream': 'Strom',
    'statistics.sent.audio': 'Ihre Stimme, gesendet',
    'statistics.sent.video': 'Ihre Kamera, gesendet',
    'statistics.sent.desktop': 'Ihr Bildschirm, gesendet',
    'statistics.received.audio': 'Stimme von {name}',
    'statistics.received.video': 'Kamera von {name}',
    'statistics.received.desktop': 'Bildschirm von {name}',
    'statistics.bitrate': 'Bitrate',
    'statistics.loss': 'Verlust',
    'statistics.rtt': 'Laufzeit',
    'statistics.height': 'Bild',
    'statistics.span': '{least} bis {most}',

    'settings.title': 'Einstellungen',
    'look.language': 'Sprache',
    'look.theme': 'Farben',
    'look.auto': 'System',
    'look.light': 'Hell',
    'look.dark': 'Dunkel',
};
