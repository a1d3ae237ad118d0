//! Text from outside made safe for a terminal, a mail or a CSV cell. (To be filled.)
