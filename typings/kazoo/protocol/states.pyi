class KazooState(str):
    CONNECTED: KazooState

class KeeperState(str):
    AUTH_FAILED: KeeperState
    CLOSED: KeeperState
