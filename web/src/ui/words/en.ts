// The English texts: the keys of all languages and, by their `{names}`, the values that each text takes.

export const en = {
    // What is in the way, and what to do.
    'problem.server-gone':
        'The connection to the server is lost. The page tries again by itself; check your network if this stays.',
    'problem.guests-refused':
        'The server lets no guests in just now. The page tries again by itself; ask its operator if this stays.',
    'problem.no-focus':
        'The meeting service does not answer just now. The page tries again by itself; who is connected stays connected.',
    'problem.login-needed':
        'Only people with an account open this room. Wait until one of them is there, then try again.',
    'problem.room-full': 'This room is full. Wait until somebody leaves, then join again.',
    'problem.room-password':
        'This room has a password, which this page cannot ask for. Ask its owner to open the room.',
    'problem.room-members-only': 'This room is for its members only. Ask its owner to let you in.',
    'problem.room-name': 'The server does not accept this room name. Choose another one.',
    'problem.room-closed': 'This room was closed.',
    'problem.refused': 'The server does not let you into this room. Ask the person who invited you.',
    'problem.kicked': 'A moderator removed you from this meeting.',
    'problem.banned': 'You are banned from this room. Ask its owner if that is a mistake.',
    'problem.no-bridge':
        'The media server does not answer just now: you stay in the room, sound and pictures come when it is back.',
    'problem.bridge-deaf':
        'No sound or pictures get through the media server just now: you stay in the room, and they come back by themselves.',
    'problem.bridge-draining':
        'The media server is being restarted: you stay in the room, sound and pictures come in a moment.',
    'problem.bridge-full':
        'The media server is full: you stay in the room, sound and pictures come when there is place again.',
    'problem.media-interrupted':
        'Sound and pictures are interrupted. The page is getting them back; you stay in the room.',
    'problem.media-failed':
        'Sound and pictures do not reach you through your network. The page tries again; another network may help.',
    'problem.chat-refused': 'Your message was not delivered. Send it again.',
    'problem.audio-denied':
        'The browser does not let this page use the microphone. Allow it in the address bar, then switch the microphone on.',
    'problem.audio-missing':
        'No microphone was found. You hear the others; plug one in and switch the microphone on to speak.',
    'problem.audio-busy':
        'The microphone cannot be opened: another program may be using it. Close that program, then switch the microphone on.',
    'problem.audio-insecure':
        'Browsers open microphones on secure pages only. Open this page by HTTPS, or on this machine as localhost.',
    'problem.audio-unplugged':
        'The microphone is gone. Plug it in again, or another one, then switch the microphone on.',
    'problem.video-denied':
        'The browser does not let this page use the camera. Allow it in the address bar, then switch the camera on.',
    'problem.video-missing':
        'No camera was found. The others hear you; plug one in and switch the camera on to be seen.',
    'problem.video-busy':
        'The camera cannot be opened: another program may be using it. Close that program, then switch the camera on.',
    'problem.video-insecure':
        'Browsers open cameras on secure pages only. Open this page by HTTPS, or on this machine as localhost.',
    'problem.video-unplugged': 'The camera is gone. Plug it in again, or another one, then switch the camera on.',
    'problem.audio-replaced':
        'The microphone that was chosen is not there any more: another one is used now. Choose one under Devices.',
    'problem.video-replaced':
        'The camera that was chosen is not there any more: another one is used now. Choose one under Devices.',
    'problem.output-replaced':
        'The loudspeaker that was chosen is not there any more: the sound comes from the default one now.',
    'problem.screen-failed':
        'The screen cannot be shared. Allow the browser to record the screen in the settings of this system, then share again.',
    'problem.try-again': 'Try again',
    'problem.close': 'Close',
    'sound.blocked': 'The browser holds the sound back until you click.',
    'sound.allow': 'Let me hear',

    // Why something that was asked for did not happen.
    'refusal.not-allowed':
        'The server does not allow that: only moderators may, and not everybody can be moderated.',
    'refusal.forbidden': 'The server does not allow that: only moderators may.',
    'refusal.item-not-found': 'That person is not in the room any more.',
    'refusal.remote-server-timeout': 'The server did not answer in time. Try again.',
    'refusal.other': 'The server refused that ({condition}).',
    'refusal.unknown': 'That did not work. Try again.',

    // Before and after the meeting.
    'start.bad-address':
        'This address names no room: a name has no spaces, slashes, quotes, or any of & < > : @. Choose another one.',
    'start.title': 'Start or join a meeting',
    'start.room': 'Room',
    'start.go': 'Go',
    'start.same-address': 'Everybody who opens the same address is in the same meeting.',
    'door.name': 'Your name',
    'door.join': 'Join',
    'preview.title': 'How the others will see and hear you',
    'preview.picture': 'Your picture, as in a mirror',
    'preview.no-picture': 'Your camera is off',
    'door.devices': 'The browser asks for camera and microphone; you can join without them.',
    'ended.removed': 'The meeting is over for you',
    'ended.left': 'You left the meeting',
    'ended.reason': 'Reason given: {reason}',
    'ended.again': 'Join again',
    'ended.other-room': 'Another room',
    'joining.first': 'Joining…',
    'joining.again': 'Joining again…',
    resuming: 'Reconnecting…',

    // The bar below.
    'controls.bar': 'Meeting controls',
    'controls.mute': 'Mute microphone',
    'controls.unmute': 'Unmute microphone',
    'controls.stop-camera': 'Stop camera',
    'controls.start-camera': 'Start camera',
    'controls.share': 'Share screen',
    'controls.stop-sharing': 'Stop sharing',
    'controls.unread': 'unread',
    'controls.leave': 'Leave',
    'link.copy': 'Copy link',
    'link.copied': 'Link copied',
    'link.by-hand': 'Copy this address',
    'link.done': 'Done',

    // Panels.
    'panel.close': 'Close panel',
    'people.title': 'Participants',
    'people.you': '{name} (you)',
    'people.moderator': 'moderator',
    'people.change-name': 'Change name',
    'people.save': 'Save',
    'people.mute': 'Mute',
    'people.mute-name': 'Mute {name}',
    'people.stop-camera': 'Stop camera',
    'people.stop-camera-name': 'Stop camera of {name}',
    'people.remove': 'Remove',
    'people.remove-name': 'Remove {name}',
    'chat.title': 'Chat',
    'chat.log': 'What was said',
    'chat.message': 'Message',
    'chat.send': 'Send',
    'chat.you': 'You',

    'devices.title': 'Devices',
    'devices.camera': 'Camera',
    'devices.microphone': 'Microphone',
    'devices.loudspeaker': 'Loudspeaker',
    'devices.default': 'Default',
    'devices.numbered': '{device} {number}',
    'devices.level': 'Loudness of the microphone',
    'direct.label': 'Direct connection when only two are here (it shows them your network address)',

    // Pictures.
    'tiles.pictures': 'Pictures',
    'tile.speaking': 'speaking',
    'tile.muted': 'muted',
    'tile.screen': 'Screen of {name}',
    'tile.own-screen': 'Your screen',
    'tile.pin': 'Keep {label} on stage',
    'tile.unpin': 'Let {label} go from the stage',
    'view.stage': 'Stage view',
    'view.tiles': 'Tile view',

    // How well everybody comes through.
    'quality.good': 'good connection',
    'quality.middling': 'middling connection',
    'quality.poor': 'poor connection',
    'statistics.title': 'Statistics',
    'statistics.explained': 'The last two minutes.',
    'statistics.none': 'Nothing is sent or received yet.',
    'statistics.table': 'As a table',
    'statistics.caption': 'Each stream now, and between which values it was',
    'statistics.stream': 'Stream',
    'statistics.sent.audio': 'Your voice, sent',
    'statistics.sent.video': 'Your camera, sent',
    'statistics.sent.desktop': 'Your screen, sent',
    'statistics.received.audio': 'Voice of {name}',
    'statistics.received.video': 'Camera of {name}',
    'statistics.received.desktop': 'Screen of {name}',
    'statistics.bitrate': 'Bitrate',
    'statistics.loss': 'Loss',
    'statistics.rtt': 'Round trip',
    'statistics.height': 'Picture',
    'statistics.span': '{least} to {most}',

    // How the page looks.
    'settings.title': 'Settings',
    'look.language': 'Language',
    'look.theme': 'Colours',
    'look.auto': 'System',
    'look.light': 'Light',
    'look.dark': 'Dark',
} as const;
